// The products with a square matrix, which are the output and the gradients of q, k and v; linked behind product.wgsl and
// either straight.wgsl or transposed.wgsl.
//   straight:   out[h, i, d] = scale · Σ_j square[h, i, j] · rows[h, j, d]
//   transposed: out[h, j, d] = scale · Σ_i square[h, i, j] · rows[h, i, d]
@group(0) @binding(2) var<storage, read> rows: array<vec4<f32>>;      // [H, N, D / 4]
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>; // [H, N, D / 4]

const D4 = HEAD_DIM / 4u;
const CHUNK4 = CHUNK / 4u;

@compute @workgroup_size(THREADS)
fn values_pass(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let x = local % TX;
    let y = local / TX % TY;
    for (var first = 0u; first < params.n / 4u; first += CHUNK4) {
        workgroupBarrier();
        stage_left(group, local, first);
        for (var e = local; e < RIGHT * CHUNK; e += THREADS) {
            let row = group.z * params.n + 4u * first + e / RIGHT;
            right[e] = rows[row * D4 + RIGHT * group.x + e % RIGHT];
        }
        workgroupBarrier();
        add_chunk(x, y);
    }
    for (var m = 0u; m < ROWS4; m++) {
        for (var r = 0u; r < 4u; r++) {
            let row = group.z * params.n + 4u * (LEFT * group.y + y + TY * m) + r;
            for (var n = 0u; n < COLUMNS4; n++) {
                out[row * D4 + RIGHT * group.x + x + TX * n] = params.scale * sums[4u * m + r][n];
            }
        }
    }
}
