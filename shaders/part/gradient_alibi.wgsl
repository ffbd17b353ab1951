// Slot `family` of `offset_gradient`: ALiBi, −slope[head] · |offset|.

fn derivative(row: u32, head: u32, offset: i32) -> f32 {
    return -f32(abs(offset));
}
