// Slot `storage`: q, k and v in f32.
@group(0) @binding(1) var<storage, read> q: array<f32>;          // [B, H, Nq, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;          // [B, Hkv, Nk, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;          // [B, Hkv, Nk, Dv]

fn read_q(row: u32, d: u32) -> vec4<f32> {
    let f = features(row, d, HEAD_DIM, PADDED);
    return vec4(q[f.x], q[f.y], q[f.z], q[f.w]);
}

fn read_k(row: u32, d: u32) -> vec4<f32> {
    let f = features(row, d, HEAD_DIM, PADDED);
    return vec4(k[f.x], k[f.y], k[f.z], k[f.w]);
}

fn read_v(row: u32, d: u32) -> vec4<f32> {
    let f = features(row, d, VALUE_DIM, VALUE_PADDED);
    return vec4(v[f.x], v[f.y], v[f.z], v[f.w]);
}
