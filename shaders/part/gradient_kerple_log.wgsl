// Slot `family` of `offset_gradient`: KERPLE's logarithmic kernel, −p · ln(1 + a · |offset|). Row 0 is p, row 1 a.

fn derivative(row: u32, head: u32, offset: i32) -> f32 {
    let distance = f32(abs(offset));
    let inside = 1.0 + parameter(1u, head) * distance;
    if row == 0u {
        return -log(inside);
    }
    return -parameter(0u, head) * distance / inside;
}
