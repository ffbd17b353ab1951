// Slot `rows` of `row_gradient`: each row has a sum of its own.
fn range_of(row: u32) -> vec2<u32> {
    return vec2(row, row + 1u);
}
