// Slot `index`: Σ table[first + m · TABLE_ROWS + index[m, i, j]][head] over MATRICES; the literal form, which serves indices that
// are no function of j − i. An index past its rows adds 0. INDEX_BITS of a word hold an index, the first lowest.
@group(0) @binding(8) var<storage, read> indices: array<u32>; // [MATRICES, Nq, Nk], or [MATRICES, B, Nq, Nk]
@group(0) @binding(17) var<storage, read> table: array<f32>;  // [rows, H]

fn table_row(at: u32) -> u32 {
    if INDEX_BITS == 32u {
        return indices[at];
    }
    let each = 32u / INDEX_BITS;
    return (indices[at / each] >> (INDEX_BITS * (at % each))) & (0xffffffffu >> (32u - INDEX_BITS));
}

fn index_of(i: u32, j: u32) -> f32 {
    let s = params.index_strides;
    let at = place.batch * s.x + min(i, params.q_len - 1u) * s.z + min(j, params.k_len - 1u) - params.index_base;
    var sum = 0.0;
    for (var m = 0u; m < MATRICES; m++) {
        let row = table_row(at + m * s.y);
        if row < TABLE_ROWS {
            sum += table[(params.table_first + m * TABLE_ROWS + row) * params.heads + place.head];
        }
    }
    return sum * LOG2_E;
}
