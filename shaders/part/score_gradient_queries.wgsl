// Slot `score_gradient`, where queries own: what single scores add to the gradients of the gate, an index table, FIRE and a dense bias.
//   tables have a copy of their own for each invocation, in the workspace, which `partial_sums.wgsl` adds up
const SCORE_GRADIENT = true;
var<private> scores_at: u32; // of this invocation in the workspace

fn score_gradient_begin(group: vec3<u32>, local: u32) {
    scores_at = backward.at_score_partials + (part_of(group) * WORKGROUP + local) * backward.score_width;
    for (var at = scores_at; at < scores_at + backward.score_width; at++) {
        set_workspace(at, 0.0);
    }
}

fn score_gradient(r: u32, own: u32, other: u32, ds: f32) {
    let i = place.q_first + own;
    let j = place.k_first + other;
    gate_gradient(r, i, j, ds);
    index_gradient(i, j, ds);
    fire_gradient(i, j, ds);
    dense_gradient(i, j, ds);
}

fn score_gradient_head(local: u32) {}

fn score_gradient_end(local: u32) {
    gate_gradient_end(local);
    fire_gradient_end();
}
