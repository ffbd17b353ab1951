// Products over the features, of which the scores and their gradients are made; linked behind product.wgsl.
//   sums[i, j] = Σ_d rows[h, i, d] · columns[h, j, d]
@group(0) @binding(1) var<storage, read> rows: array<vec4<f32>>;    // [H, N, D / 4]
@group(0) @binding(2) var<storage, read> columns: array<vec4<f32>>; // [H, N, D / 4]

const D4 = HEAD_DIM / 4u;
const CHUNK4 = CHUNK / 4u;

fn multiply(group: vec3<u32>, local: u32) {
    let first_row = group.z * params.n + 4u * LEFT * group.y;
    let first_column = group.z * params.n + 4u * RIGHT * group.x;
    for (var first = 0u; first < D4; first += CHUNK4) {
        workgroupBarrier();
        for (var e = local; e < LEFT * CHUNK4; e += THREADS) {
            let at = (first_row + e / CHUNK4 * 4u) * D4 + first + e % CHUNK4;
            put_left(4u * (e % CHUNK4), e / CHUNK4,
                mat4x4(rows[at], rows[at + D4], rows[at + 2u * D4], rows[at + 3u * D4]));
        }
        for (var e = local; e < RIGHT * CHUNK4; e += THREADS) {
            let at = (first_column + e / CHUNK4 * 4u) * D4 + first + e % CHUNK4;
            put_right(4u * (e % CHUNK4), e / CHUNK4,
                mat4x4(columns[at], columns[at + D4], columns[at + 2u * D4], columns[at + 3u * D4]));
        }
        workgroupBarrier();
        add_chunk(local % TX, local / TX % TY);
    }
}
