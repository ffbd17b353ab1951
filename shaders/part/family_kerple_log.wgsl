// Slot `family`: KERPLE's logarithmic kernel, −p · ln(1 + a · |offset|).

fn family(head: u32, offset: i32) -> vec2<f32> {
    let p = parameter(0u, head);
    let a = parameter(1u, head);
    return product_in_two(-p, log(1.0 + a * f32(abs(offset))));
}
