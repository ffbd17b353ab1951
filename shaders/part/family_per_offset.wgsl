// Slot `family`: a number for each offset, table[offset + count][head].
@group(0) @binding(2) var<storage, read> table: array<f32>; // [2·count + 1, H]

fn family(head: u32, offset: i32) -> f32 {
    return table[u32(offset + i32(params.count)) * params.heads + head];
}
