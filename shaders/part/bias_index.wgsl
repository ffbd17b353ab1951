// Slot `bias`: table[index[i, j]][head]; the literal form, which serves indices that are no function of j − i.
// An index past the table adds 0. INDEX_BYTES tells whether four indices share a word.
@group(0) @binding(6) var<storage, read> table: array<f32>;   // [TABLE_ROWS, H]
@group(0) @binding(8) var<storage, read> indices: array<u32>; // [Nq, Nk]
const LOG2_E = 1.4426950408889634;

const constant_bias = 0.0;

fn bias_prepare(local: u32) {}

fn bias_constant() -> bool {
    return false;
}

fn table_row(at: u32) -> u32 {
    if INDEX_BYTES {
        return (indices[at / 4u] >> (8u * (at % 4u))) & 0xffu;
    }
    return indices[at];
}

fn bias_at(i: u32, j: u32) -> f32 {
    if i >= params.q_len || j >= params.k_len {
        return 0.0;
    }
    let row = table_row(i * params.k_len + j);
    if row >= TABLE_ROWS {
        return 0.0;
    }
    return table[row * params.heads + place.head] * LOG2_E;
}

fn bias_of(row: u32, slot: u32) -> f32 {
    return bias_at(place.q_first + row, place.k_first + slot);
}
