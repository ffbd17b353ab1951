// Third pass of the baseline, linked with product.wgsl.
//   out[h, i, d] = Σ_j weights[h, i, j] · v[h, j, d]
@group(0) @binding(1) var<storage, read> weights: array<vec4<f32>>;   // [H, N, N / 4]
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;         // [H, N, D / 4]
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
    let n4 = params.n / 4u;
    let first_row = group.z * params.n + 4u * LEFT * group.y;
    for (var first = 0u; first < n4; first += CHUNK4) {
        workgroupBarrier();
        for (var e = local; e < LEFT * CHUNK4; e += THREADS) {
            let at = (first_row + e / CHUNK4 * 4u) * n4 + first + e % CHUNK4;
            put_left(4u * (e % CHUNK4), e / CHUNK4,
                mat4x4(weights[at], weights[at + n4], weights[at + 2u * n4], weights[at + 3u * n4]));
        }
        for (var e = local; e < RIGHT * CHUNK; e += THREADS) {
            let key = group.z * params.n + 4u * first + e / RIGHT;
            right[e] = v[key * D4 + RIGHT * group.x + e % RIGHT];
        }
        workgroupBarrier();
        add_chunk(x, y);
    }
    for (var m = 0u; m < ROWS4; m++) {
        for (var r = 0u; r < 4u; r++) {
            let row = first_row + 4u * (y + TY * m) + r;
            for (var n = 0u; n < COLUMNS4; n++) {
                out[row * D4 + RIGHT * group.x + x + TX * n] = sums[4u * m + r][n];
            }
        }
    }
}
