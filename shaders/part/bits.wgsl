// Slot `bits`: a key is visible where its bit is 1. Strides of 0 share the rows over batch or heads.
@group(0) @binding(14) var<storage, read> mask_bits: array<u32>; // [B, H, Nq, ⌈Nk / 32⌉]

fn bit_set(i: u32, j: u32) -> bool {
    let s = params.bits_strides;
    let row = place.batch * s.x + place.head * s.y + min(i, params.q_len - 1u) * s.z - params.bits_base;
    let key = min(j, params.k_len - 1u);
    return (mask_bits[row + key / 32u] >> (key % 32u) & 1u) != 0u;
}
