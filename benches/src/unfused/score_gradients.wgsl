// The gradients of the scores, linked behind product.wgsl and features.wgsl: rows are dout, columns are v.
//   dscores[h, i, j] = weights[h, i, j] · (scale · Σ_d dout[h, i, d] · v[h, j, d] − delta[h, i]), where scale is 1
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;       // [H, N, N / 4]
@group(0) @binding(4) var<storage, read> delta: array<f32>;               // [H, N]
@group(0) @binding(5) var<storage, read_write> dscores: array<vec4<f32>>; // [H, N, N / 4]

@compute @workgroup_size(THREADS)
fn score_gradients(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    multiply(group, local);
    let x = local % TX;
    let y = local / TX % TY;
    for (var m = 0u; m < ROWS4; m++) {
        for (var r = 0u; r < 4u; r++) {
            let row = group.z * params.n + 4u * (LEFT * group.y + y + TY * m) + r;
            let mean = delta[row];
            for (var n = 0u; n < COLUMNS4; n++) {
                let at = row * (params.n / 4u) + RIGHT * group.x + x + TX * n;
                dscores[at] = weights[at] * (params.scale * sums[4u * m + r][n] - mean);
            }
        }
    }
}
