// Lengths, strides, offsets and scales: what changes from call to call without a new pipeline. Mirrors
// `plan::params::Params`. Strides are in elements: x from a sequence to the next, y from a head, z from a row. Bases are the
// elements of a tensor before the range of it that is bound.
struct Params {
    q_strides: vec4<u32>,
    k_strides: vec4<u32>,
    v_strides: vec4<u32>,
    out_strides: vec4<u32>,
    bias_strides: vec4<u32>,
    bits_strides: vec4<u32>,
    index_strides: vec4<u32>, // y from a matrix to the next
    first: vec4<u32>,         // query tile, head and sequence of the first workgroup, and the end of all query rows
    q_base: u32,
    k_base: u32,
    v_base: u32,
    out_base: u32,
    bias_base: u32,
    bits_base: u32,
    index_base: u32,
    q_len: u32,
    k_len: u32,         // that there are; a cache may hold more than is filled
    filled: u32,        // that are visible, at most
    shift: i32,         // position of query row 0 less that of key row 0
    heads: u32,
    group_size: u32,    // query heads that share a key/value head
    radius: u32,        // the bias is constant from this distance on
    scale: f32,         // of q · k, times log2(e)
    empty_lse: f32,     // −∞, which WGSL cannot write
    lse_rows: u32,      // whose log-sum-exp is wanted: all, or none
    window_left: i32,   // how far the window reaches, where there is one
    window_right: i32,
    table_first: u32,   // row of the table where that of the index matrices begins
    sequences: u32,     // of a packed batch
    blocks: u32,        // of a paged cache
    table_width: u32,   // blocks of one sequence
    part_rows: u32,     // query rows of a head that parts are left for
    q_tile: u32,
    splits: u32,        // parts of the keys, where they are computed apart
    dropout_key: vec2<u32>, // the seed, its lower word first
    dropout_threshold: u32, // numbers of 16 bits below it leave a weight out
    keep_scale: f32,        // what the others are multiplied by
    key_offset: u32,        // position of key row 0
    keys_first: u32,        // of the range of keys that is bound
    keys_end: u32,
    part_first: u32,        // the first part of the range
    parts: u32,             // of all ranges
}
@group(0) @binding(0) var<uniform> params: Params;
