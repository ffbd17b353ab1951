// Slot `storage`: q, k and v in 16 bits, four numbers at a time. No feature of the device is needed.
@group(0) @binding(1) var<storage, read> q: array<vec2<u32>>;    // [B, H, Nq, D / 4]
@group(0) @binding(2) var<storage, read> k: array<vec2<u32>>;    // [B, Hkv, Nk, D / 4]
@group(0) @binding(3) var<storage, read> v: array<vec2<u32>>;    // [B, Hkv, Nk, Dv / 4]

fn read_q(row: u32, d: u32) -> vec4<f32> {
    let w = q[vector_at(row, d, HEAD_DIM, PADDED)];
    return vec4(unpack(w.x), unpack(w.y));
}

fn read_k(row: u32, d: u32) -> vec4<f32> {
    let w = k[vector_at(row, d, HEAD_DIM, PADDED)];
    return vec4(unpack(w.x), unpack(w.y));
}

fn read_v(row: u32, d: u32) -> vec4<f32> {
    let w = v[vector_at(row, d, VALUE_DIM, VALUE_PADDED)];
    return vec4(unpack(w.x), unpack(w.y));
}
