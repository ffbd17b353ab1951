// The bias of a score, a sum of whatever its slots add; all times log2(e).
//   bias = gate[i] · offset_bias(j − i) + index_bias(i, j) + dense_bias(i, j) + fire_bias(i, j)
const LOG2_E = 1.4426950408889634;

// What a row needs for all of its scores in a tile.
struct RowBias {
    gate: f32,
    normalizer: f32,  // of FIRE: 1 / (ψ(max(L, position)) + ε)
    strip: vec2<f32>, // what the slot `offset` keeps for it
}

fn row_bias(row: u32) -> RowBias {
    return RowBias(gate_of(place.q_first + row), fire_normalizer(place.q_first + row), offset_strip(row));
}

// Before the scores of a tile; between two barriers, if there are any.
fn bias_prepare(local: u32) {
    offset_prepare(local);
    fire_prepare();
}

// Whether every score of the tile has the same bias but for the gate, `constant_bias`.
fn bias_constant() -> bool {
    return !PAIR_BIAS && offset_constant();
}

fn constant_bias(own: RowBias) -> f32 {
    return own.gate * constant_offset;
}

// The bias of row `row` and key `slot` of the tile.
fn bias_of(row: u32, slot: u32, own: RowBias) -> f32 {
    let by_offset = own.gate * offset_of(row, slot, own.strip);
    if !PAIR_BIAS {
        return by_offset;
    }
    let i = place.q_first + row;
    let j = place.k_first + slot;
    return by_offset + index_of(i, j) + dense_of(i, j) + fire_of(i, j, own.normalizer);
}
