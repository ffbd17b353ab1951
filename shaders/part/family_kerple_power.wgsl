// Slot `family`: KERPLE's power kernel, −a · |offset|^p.

fn family(head: u32, offset: i32) -> vec2<f32> {
    if offset == 0 {
        return vec2(0.0);
    }
    return scaled(distance_to(parameter(0u, head), abs(offset)), -parameter(1u, head));
}
