// Slot `storage`: q, k and v in 16 bits. No feature of the device is needed.
@group(0) @binding(1) var<storage, read> q: array<u32>;          // [B, H, Nq, D]
@group(0) @binding(2) var<storage, read> k: array<u32>;          // [B, Hkv, Nk, D]
@group(0) @binding(3) var<storage, read> v: array<u32>;          // [B, Hkv, Nk, Dv]

fn read_q(row: u32, d: u32) -> vec4<f32> {
    let w = words(row, d, HEAD_DIM, PADDED);
    return vec4(unpack(q[w.x]), unpack(q[w.y]));
}

fn read_k(row: u32, d: u32) -> vec4<f32> {
    let w = words(row, d, HEAD_DIM, PADDED);
    return vec4(unpack(k[w.x]), unpack(k[w.y]));
}

fn read_v(row: u32, d: u32) -> vec4<f32> {
    let w = words(row, d, VALUE_DIM, VALUE_PADDED);
    return vec4(unpack(v[w.x]), unpack(v[w.y]));
}
