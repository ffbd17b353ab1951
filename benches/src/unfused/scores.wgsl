// First pass of the baseline, linked behind product.wgsl and features.wgsl: rows are q, columns are k.
//   scores[h, i, j] = scale · Σ_d q[h, i, d] · k[h, j, d] + bias[h, i, j]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;         // [H, N, N / 4]
@group(0) @binding(4) var<storage, read_write> scores: array<vec4<f32>>; // [H, N, N / 4]

@compute @workgroup_size(THREADS)
fn scores_pass(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    multiply(group, local);
    let x = local % TX;
    let y = local / TX % TY;
    for (var m = 0u; m < ROWS4; m++) {
        for (var r = 0u; r < 4u; r++) {
            let row = group.z * params.n + 4u * (LEFT * group.y + y + TY * m) + r;
            for (var n = 0u; n < COLUMNS4; n++) {
                let at = row * (params.n / 4u) + RIGHT * group.x + x + TX * n;
                scores[at] = params.scale * sums[4u * m + r][n] + bias[at];
            }
        }
    }
}
