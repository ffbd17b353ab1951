// What a backward pass knows beside `params`. Mirrors `plan::backward::params::BackwardParams`. Numbers that begin with `at_` are words of
// the workspace.
struct Backward {
    at_statistics: u32,      // [B, H, Nq, 2]: the log-sum-exp times log2(e), and delta
    at_offset_table: u32,    // this and the next as in `small_bound.wgsl`
    at_fire_table: u32,
    at_key_mask: u32,
    at_key_numbers: u32,
    at_query_numbers: u32,
    at_query_documents: u32,
    at_key_documents: u32,
    at_gate: u32,
    at_table: u32,
    at_offset_partials: u32, // [workgroups, parts, 2·radius + 1]
    at_score_partials: u32,  // [workgroups, invocations, score_width]
    score_width: u32,        // of an index table, then of FIRE's moments
    at_moments: u32,         // of FIRE within the score partials of an invocation
    tiles: u32,              // workgroups of the dispatch along x
    heads: u32,              // along y
    adds: u32,               // not 0 where gradients of the bias are added to what is there
    dbias_base: u32,         // elements before the range that is bound
    padding: vec2<u32>,
}
@group(0) @binding(21) var<uniform> backward: Backward;
