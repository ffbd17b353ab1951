// The gradient of the table, in parts of PART rows of a head.
//   parts[p, b, h] = Σ of dscores[h, i, j] over the part's rows i and the keys j with buckets[i, j] = b
// Each invocation has a sum for each bucket, in workgroup memory; then an invocation for each bucket adds those up.
@group(0) @binding(1) var<storage, read> buckets: array<vec4<u32>>; // [N, N / 4]
@group(0) @binding(2) var<storage, read> dscores: array<vec4<f32>>; // [H, N, N / 4]
@group(0) @binding(3) var<storage, read_write> parts: array<f32>;   // [N / PART, BUCKETS, H]

const THREADS = 64u;
var<workgroup> sums: array<f32, BUCKETS * THREADS>;

@compute @workgroup_size(THREADS)
fn table_parts(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    for (var b = 0u; b < BUCKETS; b++) {
        sums[b * THREADS + local] = 0.0;
    }
    let first = group.x * PART * (N / 4u);
    let head = group.y * N * (N / 4u);
    for (var e = local; e < PART * (N / 4u); e += THREADS) {
        let at = buckets[first + e] * THREADS + local;
        let score = dscores[head + first + e];
        sums[at.x] += score.x;
        sums[at.y] += score.y;
        sums[at.z] += score.z;
        sums[at.w] += score.w;
    }
    workgroupBarrier();
    for (var b = local; b < BUCKETS; b += THREADS) {
        var total = 0.0;
        for (var t = 0u; t < THREADS; t++) {
            total += sums[b * THREADS + t];
        }
        parts[(group.x * BUCKETS + b) * HEADS + group.y] = total;
    }
}
