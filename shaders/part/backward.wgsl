// What a backward pass knows beside `params`. Mirrors `plan::backward::params::BackwardParams`. Numbers that begin with `at_` are elements
// of the workspace.
struct Backward {
    at_statistics: u32,      // [B, H, Nq, 2]: the log-sum-exp times log2(e), and delta
    at_offset_table: u32,    // as in `tables_bound.wgsl`
    at_fire_table: u32,
    at_offset_partials: u32, // [workgroups, parts, 2·radius + 1]
    at_score_partials: u32,  // [workgroups, invocations, score_width]
    score_width: u32,
    tiles: u32,              // workgroups of the dispatch along x
    heads: u32,              // along y
}
@group(0) @binding(21) var<uniform> backward: Backward;

// The number of a workgroup within its dispatch.
fn part_of(group: vec3<u32>) -> u32 {
    return (group.z * backward.heads + group.y) * backward.tiles + group.x;
}

// Of a query: what its scores have to lose to become logarithms of weights, in base 2, and delta.
fn statistics_of(i: u32) -> vec2<f32> {
    let row = (place.batch * params.heads + place.head) * params.q_len + min(i, params.q_len - 1u);
    let at = backward.at_statistics + 2u * row;
    return vec2(workspace[at], workspace[at + 1u]);
}

// Slot `tables`, in the workspace.
fn offset_number(at: u32) -> f32 {
    return workspace[backward.at_offset_table + at];
}

fn segment_number(at: u32) -> f32 {
    return workspace[backward.at_fire_table + at];
}

// Where a row of dO begins; rows past the end repeat the last.
fn dout_row(i: u32) -> u32 {
    return out_row(min(i, params.q_len - 1u));
}

fn load_dout(row: u32, d: u32) -> vec4<f32> {
    return within(d, read_dout(row, d), VALUE_DIM, VALUE_PADDED);
}
