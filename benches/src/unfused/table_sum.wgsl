// The gradient of the table from its parts, an invocation for each number.
//   dtable[b, h] = Σ_p parts[p, b, h]
@group(0) @binding(1) var<storage, read> parts: array<f32>;        // [N / PART, BUCKETS, H]
@group(0) @binding(2) var<storage, read_write> dtable: array<f32>; // [BUCKETS, H]

@compute @workgroup_size(64)
fn table_sum(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= BUCKETS * HEADS {
        return;
    }
    var total = 0.0;
    for (var p = 0u; p < N / PART; p++) {
        total += parts[p * BUCKETS * HEADS + id.x];
    }
    dtable[id.x] = total;
}
