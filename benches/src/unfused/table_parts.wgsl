// The gradient of the table, in parts of PART rows of a head.
//   parts[p, b, h] = Σ of dscores[h, i, j] over the part's rows i and the keys j with buckets[i, j] = b
// Each invocation walks down columns, where a bucket lasts for many rows, and has a sum for each bucket in workgroup memory;
// then an invocation for each bucket adds those up. Numbers one by one: by fours it is slower on Mesa 22.3 and 26.1.
@group(0) @binding(1) var<storage, read> buckets: array<u32>;       // [N, N]
@group(0) @binding(2) var<storage, read> dscores: array<f32>;       // [H, N, N]
@group(0) @binding(3) var<storage, read_write> parts: array<f32>; // [N / PART, BUCKETS, H]

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
    let first = group.x * PART * N;
    let head = group.y * N * N;
    for (var column = local; column < N; column += THREADS) {
        var bucket = buckets[first + column];
        var run = 0.0;
        for (var i = 0u; i < PART; i++) {
            let at = first + i * N + column;
            let next = buckets[at];
            // Taken once; a loop, because Mesa 22.3 would run a branch whether a lane takes it or not.
            while next != bucket {
                sums[bucket * THREADS + local] += run;
                bucket = next;
                run = 0.0;
            }
            run += dscores[head + at];
        }
        sums[bucket * THREADS + local] += run;
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
