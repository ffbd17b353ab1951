// Slot `packing`: two numbers of f16 in a word, the first in the lower half.

fn unpack(word: u32) -> vec2<f32> {
    return unpack2x16float(word);
}

fn pack(value: vec2<f32>) -> u32 {
    return pack2x16float(value);
}
