// Slot `index`: Σ table[first + m · TABLE_ROWS + index[m, i, j]][head] over MATRICES; the literal form, which serves indices that
// are no function of j − i. An index past its rows adds 0. INDEX_BITS of a word hold an index, the first lowest.
@group(0) @binding(8) var<storage, read> indices: array<u32>; // [MATRICES, Nq, Nk], or [MATRICES, B, Nq, Nk]

const BYTES = INDEX_BITS == 8u && MATRICES == 1u && K_TILE == 8u; // whether a row of a tile is two words of bytes

fn index_at(i: u32, j: u32) -> u32 {
    let s = params.index_strides;
    return place.batch * s.x + min(i, params.q_len - 1u) * s.z + j - params.index_base;
}

// The indices of a row in a tile, where they are bytes: they may begin anywhere in a word, and what lies past the end hides.
fn index_run(i: u32) -> vec2<u32> {
    if !BYTES {
        return vec2(0u);
    }
    let at = index_at(i, place.k_first);
    let word = vec3(at / 4u) + vec3(0u, 1u, 2u);
    let last = vec3(arrayLength(&indices) - 1u);
    let w = min(word, last);
    let shift = 8u * (at % 4u);
    let low = vec2(indices[w.x], indices[w.y]);
    let high = vec2(low.y, indices[w.z]);
    return select((low >> vec2(shift)) | (high << vec2(32u - shift)), low, shift == 0u);
}

fn table_row(at: u32) -> u32 {
    if INDEX_BITS == 32u {
        return indices[at];
    }
    let each = 32u / INDEX_BITS;
    return (indices[at / each] >> (INDEX_BITS * (at % each))) & (0xffffffffu >> (32u - INDEX_BITS));
}

fn table_bias(m: u32, row: u32) -> f32 {
    let within = params.table_first + m * TABLE_ROWS + min(row, TABLE_ROWS - 1u);
    return select(0.0, table_number(within * params.heads + place.head), row < TABLE_ROWS);
}

fn index_of(i: u32, j: u32, slot: u32, run: vec2<u32>) -> f32 {
    if BYTES {
        return table_bias(0u, (run[slot / 4u] >> (8u * (slot % 4u))) & 0xffu) * LOG2_E;
    }
    let at = index_at(i, min(j, params.k_len - 1u));
    var sum = 0.0;
    for (var m = 0u; m < MATRICES; m++) {
        sum += table_bias(m, table_row(at + m * params.index_strides.y));
    }
    return sum * LOG2_E;
}
