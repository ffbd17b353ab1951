// Slot `rows` of `row_gradient`: a row has a range of sums, by offset.
@group(0) @binding(1) var<storage, read> ranges: array<vec2<u32>>; // [rows]: the first, and behind the last

fn range_of(row: u32) -> vec2<u32> {
    return ranges[row];
}
