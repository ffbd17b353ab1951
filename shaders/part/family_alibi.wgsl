// Slot `family`: ALiBi, −slope[head] · |offset|.

fn family(head: u32, offset: i32) -> vec2<f32> {
    return product_in_two(-parameter(0u, head), f32(abs(offset)));
}
