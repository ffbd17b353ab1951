// How values.wgsl reads its square matrix: the result's rows are its columns, which lie as workgroup memory wants them.
@group(0) @binding(1) var<storage, read> square: array<vec4<f32>>; // [H, N, N / 4]

fn stage_left(group: vec3<u32>, local: u32, first: u32) {
    let first_row = group.z * params.n + 4u * first;
    for (var e = local; e < LEFT * CHUNK; e += THREADS) {
        left[e] = square[(first_row + e / LEFT) * (params.n / 4u) + LEFT * group.y + e % LEFT];
    }
}
