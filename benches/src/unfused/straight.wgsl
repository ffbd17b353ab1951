// How values.wgsl reads its square matrix: the result's rows are its rows.
@group(0) @binding(1) var<storage, read> square: array<vec4<f32>>; // [H, N, N / 4]

fn stage_left(group: vec3<u32>, local: u32, first: u32) {
    let n4 = params.n / 4u;
    let first_row = group.z * params.n + 4u * LEFT * group.y;
    for (var e = local; e < LEFT * CHUNK4; e += THREADS) {
        let at = (first_row + e / CHUNK4 * 4u) * n4 + first + e % CHUNK4;
        put_left(4u * (e % CHUNK4), e / CHUNK4,
            mat4x4(square[at], square[at + n4], square[at + 2u * n4], square[at + 3u * n4]));
    }
}
