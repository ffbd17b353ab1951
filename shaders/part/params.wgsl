// Lengths, strides, offsets and scales: what changes from call to call without a new pipeline. Mirrors
// `plan::params::Params`. Strides are in elements: x from a sequence to the next, y from a head, z from a row.
struct Params {
    q_strides: vec4<u32>,
    k_strides: vec4<u32>,
    v_strides: vec4<u32>,
    out_strides: vec4<u32>,
    bias_strides: vec4<u32>,
    bits_strides: vec4<u32>,
    q_len: u32,
    k_len: u32,
    heads: u32,
    group_size: u32,   // query heads that share a key/value head
    query_offset: i32, // position of query row 0
    radius: u32,       // the bias is constant from this distance on
    scale: f32,        // of q · k, times log2(e)
    empty_lse: f32,    // −∞, which WGSL cannot write
    write_lse: u32,    // 0 where nobody wants the log-sum-exp
    window_left: i32,  // how far the window reaches, where there is one
    window_right: i32,
}
@group(0) @binding(0) var<uniform> params: Params;
