// First pass of the baseline, linked with product.wgsl.
//   scores[h, i, j] = scale · Σ_d q[h, i, d] · k[h, j, d] + bias[h, i, j]
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;           // [H, N, D / 4]
@group(0) @binding(2) var<storage, read> k: array<vec4<f32>>;           // [H, N, D / 4]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;        // [H, N, N / 4]
@group(0) @binding(4) var<storage, read_write> scores: array<vec4<f32>>; // [H, N, N / 4]

const D4 = HEAD_DIM / 4u;
const CHUNK4 = CHUNK / 4u;

@compute @workgroup_size(THREADS)
fn scores_pass(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let x = local % TX;
    let y = local / TX % TY;
    let n4 = params.n / 4u;
    let first_row = group.z * params.n + 4u * LEFT * group.y;
    let first_key = group.z * params.n + 4u * RIGHT * group.x;
    for (var first = 0u; first < D4; first += CHUNK4) {
        workgroupBarrier();
        for (var e = local; e < LEFT * CHUNK4; e += THREADS) {
            let at = (first_row + e / CHUNK4 * 4u) * D4 + first + e % CHUNK4;
            put_left(4u * (e % CHUNK4), e / CHUNK4, mat4x4(q[at], q[at + D4], q[at + 2u * D4], q[at + 3u * D4]));
        }
        for (var e = local; e < RIGHT * CHUNK4; e += THREADS) {
            let at = (first_key + e / CHUNK4 * 4u) * D4 + first + e % CHUNK4;
            put_right(4u * (e % CHUNK4), e / CHUNK4, mat4x4(k[at], k[at + D4], k[at + 2u * D4], k[at + 3u * D4]));
        }
        workgroupBarrier();
        add_chunk(x, y);
    }
    for (var m = 0u; m < ROWS4; m++) {
        for (var r = 0u; r < 4u; r++) {
            let row = first_row + 4u * (y + TY * m) + r;
            for (var n = 0u; n < COLUMNS4; n++) {
                let at = row * n4 + RIGHT * group.x + x + TX * n;
                scores[at] = params.scale * sums[4u * m + r][n] + bias[at];
            }
        }
    }
}
