// Slot `family` of `offset_gradient`: KERPLE's power kernel, −a · |offset|^p. Row 0 is p, row 1 a.

fn derivative(row: u32, head: u32, offset: i32) -> f32 {
    if offset == 0 {
        return 0.0;
    }
    let power = distance_to(parameter(0u, head), abs(offset)).x;
    if row == 1u {
        return -power;
    }
    return -parameter(1u, head) * power * logarithms[abs(offset)].x * LN_2;
}
