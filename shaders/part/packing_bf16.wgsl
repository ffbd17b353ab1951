// Slot `packing`: two numbers of bf16, the upper halves of f32, in a word, the first in the lower half. It names no function of f16, which
// some software drivers do not have.

fn unpack(word: u32) -> vec2<f32> {
    return vec2(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));
}

// To the nearest, ties to even; what is not a number stays so.
fn bf16_bits(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    let rounded = (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
    return select(rounded, (bits >> 16u) | 0x40u, (bits & 0x7fffffffu) > 0x7f800000u);
}

fn pack(value: vec2<f32>) -> u32 {
    return bf16_bits(value.x) | (bf16_bits(value.y) << 16u);
}
