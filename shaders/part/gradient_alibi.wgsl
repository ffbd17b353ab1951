// Slot `family` of `offset_gradient`: ALiBi, −slope[head] · |offset|.

fn offsets_of(row: u32) -> vec2<i32> {
    return vec2(-0x7fffffff, 0x7fffffff);
}

fn derivative(row: u32, head: u32, offset: i32) -> f32 {
    return -f32(abs(offset));
}
