// Second pass of the baseline: softmax over rows, in place. A workgroup computes one row and reads and writes it once.
//   m = max row, e = exp(row − m), row = e / Σ e
@group(0) @binding(1) var<storage, read_write> scores: array<vec4<f32>>; // [H, N, N / 4]

const SHARE = N / 4u / THREADS; // vec4 of a row that a thread keeps in registers
var<workgroup> tops: array<f32, THREADS>;
var<workgroup> totals: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn softmax_pass(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first = (group.z * N + group.y) * (N / 4u) + local;
    var values: array<vec4<f32>, SHARE>;
    var top4 = scores[first];
    for (var s = 0u; s < SHARE; s++) {
        values[s] = scores[first + THREADS * s];
        top4 = max(top4, values[s]);
    }
    tops[local] = max(max(top4.x, top4.y), max(top4.z, top4.w));
    workgroupBarrier();
    var top = tops[0];
    for (var t = 1u; t < THREADS; t++) {
        top = max(top, tops[t]);
    }
    var total4 = vec4(0.0);
    for (var s = 0u; s < SHARE; s++) {
        values[s] = exp(values[s] - vec4(top));
        total4 += values[s];
    }
    totals[local] = total4.x + total4.y + total4.z + total4.w;
    workgroupBarrier();
    var total = 0.0;
    for (var t = 0u; t < THREADS; t++) {
        total += totals[t];
    }
    for (var s = 0u; s < SHARE; s++) {
        scores[first + THREADS * s] = values[s] / total;
    }
}
