// Slot `storage`: q, k and v in f16, which the products of matrices take as they are.
@group(0) @binding(1) var<storage, read> q: array<vec2<f16>>;    // [B, H, Nq, D]
@group(0) @binding(2) var<storage, read> k: array<vec2<f16>>;    // [B, Hkv, Nk, D]
@group(0) @binding(3) var<storage, read> v: array<vec2<f16>>;    // [B, Hkv, Nk, Dv]

fn half_q(row: u32, d: u32) -> vec4<f16> {
    let w = words(row, d, HEAD_DIM, PADDED);
    return half_within(d, vec4(q[w.x], q[w.y]), HEAD_DIM, PADDED);
}

fn half_k(row: u32, d: u32) -> vec4<f16> {
    let w = words(row, d, HEAD_DIM, PADDED);
    return half_within(d, vec4(k[w.x], k[w.y]), HEAD_DIM, PADDED);
}

fn half_v(row: u32, d: u32) -> vec4<f16> {
    let w = words(row, d, VALUE_DIM, VALUE_PADDED);
    return half_within(d, vec4(v[w.x], v[w.y]), VALUE_DIM, VALUE_PADDED);
}
