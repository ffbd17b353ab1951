// Slot `family`: KERPLE's logarithmic kernel, −p · ln(1 + a · |offset|).
@group(0) @binding(2) var<storage, read> table: array<f32>; // [2, H]: p, then a

fn family(head: u32, offset: i32) -> f32 {
    let p = table[head];
    let a = table[params.heads + head];
    return -p * log(1.0 + a * f32(abs(offset)));
}
