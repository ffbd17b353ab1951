// Lengths, offsets and scales: what changes from call to call without a new pipeline. Mirrors `plan::params::Params`.
struct Params {
    q_len: u32,
    k_len: u32,
    heads: u32,
    kv_heads: u32,
    query_offset: i32, // position of query row 0
    radius: u32,       // the bias is constant from this distance on
    scale: f32,        // of q · k, times log2(e)
    empty_lse: f32,    // −∞, which WGSL cannot write
}
@group(0) @binding(0) var<uniform> params: Params;
