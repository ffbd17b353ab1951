// Slot `family`: ALiBi, −slope[head] · |offset|.

fn family(head: u32, offset: i32) -> f32 {
    return -parameter(0u, head) * f32(abs(offset));
}
