// Zeros where the gradient of a dense bias will be added up; gaps between its rows stay as they are.
//   dbias[b, h, i, j] = 0 for the ROWS queries of a workgroup, or for the first alone where all share it
@group(0) @binding(27) var<storage, read_write> dbias: array<f32>; // [B, H, Nq, Nk] with strides of which 0 shares it

const ROWS = 64u;

@compute @workgroup_size(64)
fn clear_dbias(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let at = group + params.first.xyz;
    let s = params.bias_strides;
    let rows = select(params.q_len, 1u, s.z == 0u);
    for (var i = at.x * ROWS; i < min((at.x + 1u) * ROWS, rows); i++) {
        let row = at.z * s.x + at.y * s.y + i * s.z - backward.dbias_base;
        for (var j = local; j < params.k_len; j += 64u) {
            dbias[row + j] = 0.0;
        }
    }
}
