// Slot `family`: ALiBi, −slope[head] · |offset|.
@group(0) @binding(2) var<storage, read> slopes: array<f32>; // [1, H]

fn family(head: u32, offset: i32) -> f32 {
    return -slopes[head] * f32(abs(offset));
}
