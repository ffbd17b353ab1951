// Slot `gradients`: dQ or dK, and dV in 16 bits, as they lie with q or k, and v.
@group(0) @binding(4) var<storage, read> result: array<u32>;                // the output of the forward pass, [B, H, Nq, Dv]
@group(0) @binding(23) var<storage, read_write> gradient: array<u32>;       // dQ [B, H, Nq, D] or dK [B, Hkv, Nk, D]
@group(0) @binding(24) var<storage, read_write> value_gradient: array<u32>; // dV [B, Hkv, Nk, Dv]

fn read_result(row: u32, d: u32) -> vec4<f32> {
    let w = words(row, d, VALUE_DIM, VALUE_PADDED);
    return vec4(unpack(result[w.x]), unpack(result[w.y]));
}

fn write_gradient(row: u32, d: u32, value: vec4<f32>) {
    if d < HEAD_DIM { gradient[(row + d) / 2u] = pack(value.xy); }
    if d + 2u < HEAD_DIM { gradient[(row + d) / 2u + 1u] = pack(value.zw); }
}

fn write_value_gradient(row: u32, d: u32, value: vec4<f32>) {
    if d < VALUE_DIM { value_gradient[(row + d) / 2u] = pack(value.xy); }
    if d + 2u < VALUE_DIM { value_gradient[(row + d) / 2u + 1u] = pack(value.zw); }
}
