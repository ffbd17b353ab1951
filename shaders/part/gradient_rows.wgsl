// Slot `family` of `offset_gradient`: a row of the table is the bias itself, at the offsets that have it.
@group(0) @binding(1) var<storage, read> ranges: array<vec2<i32>>; // [rows]: the first and the last offset

fn offsets_of(row: u32) -> vec2<i32> {
    return ranges[row];
}

fn derivative(row: u32, head: u32, offset: i32) -> f32 {
    return 1.0;
}
