// Slot `family`: Sandwich, H / (8 (head + 1)) · Σ cos(offset · frequency).
@group(0) @binding(1) var<storage, read> products: array<f32>; // [radius + 1]: the sum at each distance

fn family(head: u32, offset: i32) -> vec2<f32> {
    return product_in_two(products[abs(offset)], f32(params.heads) / (8.0 * f32(head + 1u)));
}
