// Slot `bias`: table[index[i, j]][head]; the literal form, which serves indices that are no function of j − i.
// An index past the table adds 0. INDEX_BITS of a word hold an index, the first lowest.
@group(0) @binding(6) var<storage, read> table: array<f32>;   // [TABLE_ROWS, H]
@group(0) @binding(8) var<storage, read> indices: array<u32>; // [Nq, Nk], or [B, Nq, Nk]
const LOG2_E = 1.4426950408889634;

const constant_bias = 0.0;

fn bias_prepare(local: u32) {}

fn bias_constant() -> bool {
    return false;
}

fn table_row(at: u32) -> u32 {
    if INDEX_BITS == 32u {
        return indices[at];
    }
    let each = 32u / INDEX_BITS;
    return (indices[at / each] >> (INDEX_BITS * (at % each))) & (0xffffffffu >> (32u - INDEX_BITS));
}

fn bias_at(i: u32, j: u32) -> f32 {
    if i >= params.q_len || j >= params.k_len {
        return 0.0;
    }
    var at = i * params.k_len + j;
    if EACH_SEQUENCE {
        at += place.batch * params.q_len * params.k_len;
    }
    let row = table_row(at);
    if row >= TABLE_ROWS {
        return 0.0;
    }
    return table[row * params.heads + place.head] * LOG2_E;
}

fn bias_of(row: u32, slot: u32) -> f32 {
    return bias_at(place.q_first + row, place.k_first + slot);
}
