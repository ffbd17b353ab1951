// Slot `bits`: a key is visible where its bit is 1. Strides of 0 share the rows over batch or heads.
@group(0) @binding(14) var<storage, read> mask_bits: array<u32>; // [B, H, Nq, ⌈Nk / 32⌉]

// The bits of 32 keys from `j` on; those past the last may be any.
fn bits_from(i: u32, j: u32) -> u32 {
    let s = params.bits_strides;
    let row = place.batch * s.x + place.head * s.y + min(i, params.q_len - 1u) * s.z - params.bits_base;
    let last = (params.k_len - 1u) / 32u;
    let low = mask_bits[row + min(j / 32u, last)];
    if j % 32u == 0u {
        return low;
    }
    return (low >> (j % 32u)) | (mask_bits[row + min(j / 32u + 1u, last)] << (32u - j % 32u));
}
