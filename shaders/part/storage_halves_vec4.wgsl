// Slot `storage`: q, k and v in f16, four numbers at a time, which the products of matrices take as they are.
@group(0) @binding(1) var<storage, read> q: array<vec4<f16>>;    // [B, H, Nq, D / 4]
@group(0) @binding(2) var<storage, read> k: array<vec4<f16>>;    // [B, Hkv, Nk, D / 4]
@group(0) @binding(3) var<storage, read> v: array<vec4<f16>>;    // [B, Hkv, Nk, Dv / 4]

fn half_q(row: u32, d: u32) -> vec4<f16> {
    return half_within(d, q[vector_at(row, d, HEAD_DIM, PADDED)], HEAD_DIM, PADDED);
}

fn half_k(row: u32, d: u32) -> vec4<f16> {
    return half_within(d, k[vector_at(row, d, HEAD_DIM, PADDED)], HEAD_DIM, PADDED);
}

fn half_v(row: u32, d: u32) -> vec4<f16> {
    return half_within(d, v[vector_at(row, d, VALUE_DIM, VALUE_PADDED)], VALUE_DIM, VALUE_PADDED);
}
