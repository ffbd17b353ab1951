// Slot `family`: a number for each offset, table[clamp(offset, −count, count) + count][head].

fn family(head: u32, offset: i32) -> vec2<f32> {
    let count = i32(params.count);
    return vec2(parameter(u32(clamp(offset, -count, count) + count), head), 0.0);
}
