// Slot `gradients`: dQ or dK, and dV in f32, as they lie with q or k, and v.
@group(0) @binding(4) var<storage, read> result: array<f32>;                // the output of the forward pass, [B, H, Nq, Dv]
@group(0) @binding(23) var<storage, read_write> gradient: array<f32>;       // dQ [B, H, Nq, D] or dK [B, Hkv, Nk, D]
@group(0) @binding(24) var<storage, read_write> value_gradient: array<f32>; // dV [B, Hkv, Nk, Dv]

fn read_result(row: u32, d: u32) -> vec4<f32> {
    let f = features(row, d, VALUE_DIM, VALUE_PADDED);
    return vec4(result[f.x], result[f.y], result[f.z], result[f.w]);
}

fn write_gradient(row: u32, d: u32, value: vec4<f32>) {
    if d < HEAD_DIM { gradient[row + d] = value.x; }
    if d + 1u < HEAD_DIM { gradient[row + d + 1u] = value.y; }
    if d + 2u < HEAD_DIM { gradient[row + d + 2u] = value.z; }
    if d + 3u < HEAD_DIM { gradient[row + d + 3u] = value.w; }
}

fn write_value_gradient(row: u32, d: u32, value: vec4<f32>) {
    if d < VALUE_DIM { value_gradient[row + d] = value.x; }
    if d + 1u < VALUE_DIM { value_gradient[row + d + 1u] = value.y; }
    if d + 2u < VALUE_DIM { value_gradient[row + d + 2u] = value.z; }
    if d + 3u < VALUE_DIM { value_gradient[row + d + 3u] = value.w; }
}
