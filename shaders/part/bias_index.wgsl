// Slot `bias`: table[index[i, j]][head]; the literal form, which serves indices that are no function of j − i.
// An index past the table adds 0. INDEX_BYTES tells whether four indices share a word.
@group(0) @binding(6) var<storage, read> table: array<f32>;   // [TABLE_ROWS, H]
@group(0) @binding(8) var<storage, read> indices: array<u32>; // [Nq, Nk]
const LOG2_E = 1.4426950408889634;
var<private> bias_head: u32;

fn bias_prepare(local: u32, head: u32, first_offset: i32) {
    bias_head = head;
}

fn bias_of(diagonal: u32, i: u32, j: u32) -> f32 {
    if i >= params.q_len || j >= params.k_len {
        return 0.0;
    }
    let at = i * params.k_len + j;
    var row = 0u;
    if INDEX_BYTES {
        row = (indices[at / 4u] >> (8u * (at % 4u))) & 0xffu;
    } else {
        row = indices[at];
    }
    if row >= TABLE_ROWS {
        return 0.0;
    }
    return table[row * params.heads + bias_head] * LOG2_E;
}
