// What the backward pass needs of each query, from the forward pass and the gradient of its output.
//   statistics[b, h, i] = (lse · log2(e), Σ dO ∘ O)
// A row that sees no key has log-sum-exp −∞; a large number instead makes all its weights 0.
@group(0) @binding(5) var<storage, read> row_lse: array<f32>; // [B, H, Nq]

const HEAD_DIM = VALUE_DIM;
const PADDED = false;
const VALUE_PADDED = VALUE_DIM % 4u != 0u;
const LOG2_E = 1.4426950408889634;
const NEVER = 3.4e38;
const ROWS = 64u;

@compute @workgroup_size(ROWS)
fn backward_statistics(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x + params.first.x * ROWS;
    if i >= params.first.w {
        return;
    }
    place = Place(id.z + params.first.z, id.y + params.first.y, 0u, 0u, 0);
    let row = out_row(i);
    var delta = 0.0;
    for (var d = 0u; d < VALUE_DIM; d += 4u) {
        let product = load_dout(row, d) * within(d, read_result(row, d), VALUE_DIM, VALUE_PADDED);
        delta += (product.x + product.y) + (product.z + product.w);
    }
    let at = (place.batch * params.heads + place.head) * params.q_len + i;
    let bits = bitcast<u32>(row_lse[at]);
    set_workspace(backward.at_statistics + 2u * at, select(bitcast<f32>(bits) * LOG2_E, NEVER, bits == 0xff800000u));
    set_workspace(backward.at_statistics + 2u * at + 1u, delta);
}
