// Slot `family`: KERPLE's power kernel, −a · |offset|^p.

fn family(head: u32, offset: i32) -> f32 {
    if offset == 0 {
        return 0.0;
    }
    return -parameter(1u, head) * distance_to(parameter(0u, head), abs(offset));
}
