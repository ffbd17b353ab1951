// The upper word of the product of two words; WGSL has none.
//   a · b = 2^32 · a' b' + 2^16 · (a b' + a' b) + a b, of the lower halves a, b and the upper a', b'
fn upper_product(a: u32, b: u32) -> u32 {
    let low = vec2(a, b) & vec2(0xffffu);
    let high = vec2(a, b) >> vec2(16u);
    let cross = vec2(low.x * high.y, high.x * low.y);
    let middle = ((low.x * low.y) >> 16u) + (cross.x & 0xffffu) + (cross.y & 0xffffu);
    return high.x * high.y + (cross.x >> 16u) + (cross.y >> 16u) + (middle >> 16u);
}
