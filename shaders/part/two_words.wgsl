// A number as the sum of an f32 and of what that leaves of it. The rest of a product is found by Dekker's splitting ("A floating-point
// technique for extending the available precision", 1971), since fma() may round its product.

// Beyond this a product has no rest: ∞ − ∞ is NaN.
const NO_REST = 3e38;

// The upper 12 bits of a number's 24: products of such are exact.
fn upper_half(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
}

fn product_in_two(a: f32, b: f32) -> vec2<f32> {
    let product = a * b;
    let upper = vec2(upper_half(a), upper_half(b));
    let lower = vec2(a, b) - upper;
    let rest = ((upper.x * upper.y - product) + upper.x * lower.y + lower.x * upper.y) + lower.x * lower.y;
    return vec2(product, select(rest, 0.0, abs(product) > NO_REST));
}

fn scaled(x: vec2<f32>, factor: f32) -> vec2<f32> {
    let product = product_in_two(x.x, factor);
    return vec2(product.x, product.y + x.y * factor);
}
