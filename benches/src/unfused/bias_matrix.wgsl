// What the baseline adds to its scores, from the bucket-index matrix and the table.
//   bias[h, i, j] = table[buckets[i, j]][h]
// An invocation reads four indices and writes them for every head.
@group(0) @binding(1) var<storage, read> buckets: array<vec4<u32>>;    // [N, N / 4]
@group(0) @binding(2) var<storage, read> table: array<f32>;            // [num_buckets, H]
@group(0) @binding(3) var<storage, read_write> bias: array<vec4<f32>>; // [H, N, N / 4]

@compute @workgroup_size(64)
fn bias_matrix(@builtin(global_invocation_id) id: vec3<u32>) {
    let quads = N * N / 4u;
    if id.x >= quads {
        return;
    }
    let row = buckets[id.x] * HEADS;
    for (var head = 0u; head < HEADS; head++) {
        bias[head * quads + id.x] =
            vec4(table[row.x + head], table[row.y + head], table[row.z + head], table[row.w + head]);
    }
}
