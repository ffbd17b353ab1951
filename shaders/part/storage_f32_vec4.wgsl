// Slot `storage`: q, k and v in f32, a vec4 at a time.
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;    // [B, H, Nq, D / 4]
@group(0) @binding(2) var<storage, read> k: array<vec4<f32>>;    // [B, Hkv, Nk, D / 4]
@group(0) @binding(3) var<storage, read> v: array<vec4<f32>>;    // [B, Hkv, Nk, Dv / 4]

fn read_q(row: u32, d: u32) -> vec4<f32> {
    return q[vector_at(row, d, HEAD_DIM, PADDED)];
}

fn read_k(row: u32, d: u32) -> vec4<f32> {
    return k[vector_at(row, d, HEAD_DIM, PADDED)];
}

fn read_v(row: u32, d: u32) -> vec4<f32> {
    return v[vector_at(row, d, VALUE_DIM, VALUE_PADDED)];
}
