// The matrix of bucket indices, from integer thresholds.
//   out[i, j] = bucket(j − i − query_offset)
// An invocation writes one word: one index, or PER_WORD of 32 / PER_WORD bits each, the first in the lowest.
struct IndexParams {
    q_len: u32,
    k_len: u32,
    query_offset: i32,
    steps: u32,         // number of thresholds
    per_direction: u32, // buckets of one direction; 0 where later keys have none of their own
    groups: u32,        // workgroups in x
}
@group(0) @binding(0) var<uniform> params: IndexParams;
@group(0) @binding(2) var<storage, read_write> indices: array<u32>; // [Nq, Nk], contiguous, padded to whole words

@compute @workgroup_size(64)
fn bucket_index(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let word = (group.y * params.groups + group.x) * 64u + local;
    let elements = params.q_len * params.k_len;
    // Words, because the last row of workgroups may reach past 2³² indices.
    if word >= (elements + PER_WORD - 1u) / PER_WORD {
        return;
    }
    let first = word * PER_WORD;
    var packed = 0u;
    for (var n = 0u; n < min(PER_WORD, elements - first); n++) {
        let i = (first + n) / params.k_len;
        let j = (first + n) % params.k_len;
        let bucket = bucket_of(i32(j) - i32(i) - params.query_offset, params.steps, params.per_direction);
        packed |= bucket << (32u / PER_WORD * n);
    }
    indices[word] = packed;
}
