// The parameters of one bias within the table of the whole sum.
@group(0) @binding(2) var<storage, read> table: array<f32>; // [rows, H]

fn parameter(row: u32, head: u32) -> f32 {
    return table[(params.first_row + row) * params.heads + head];
}
