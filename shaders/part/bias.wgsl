// The bias of a score, a sum of whatever its slots add; all times log2(e).
//   bias = gate[i] · offset_of(j − i) + index_of(i, j) + dense_of(i, j) + fire_of(i, j)
// FIRE may bend within a tile: then `fire_bend` has to be added for each bend.
const LOG2_E = 1.4426950408889634;

// The number of the head at a clamped offset, times log2(e); for the slot `offset`.
fn offset_bias(offset: i32) -> f32 {
    let radius = i32(params.radius);
    let row = place.head * (2u * params.radius + 1u);
    return offset_number(row + u32(clamp(offset, -radius, radius) + radius));
}

// Whether all offsets of the tile are past the radius on one side, where the head has one number.
fn offsets_constant() -> bool {
    let radius = i32(params.radius);
    return first_offset() >= radius || last_offset() <= -radius;
}

// What a row needs for all of its scores.
struct RowBias {
    gate: f32,
    normalizer: f32, // of FIRE: 1 / (ψ(max(L, position)) + ε)
}

// What a row needs for its scores in a tile, besides.
struct TileBias {
    strip: vec2<f32>,
    indices: vec2<u32>,
}

fn row_bias(row: u32) -> RowBias {
    return RowBias(gate_of(place.q_first + row), fire_normalizer(place.q_first + row));
}

// Before the scores of a tile, and a barrier before and behind it if there are any.
fn bias_prepare(local: u32) {
    offset_prepare(local);
    fire_prepare();
}

// Row `row` of the tile is the r-th of its invocation.
fn tile_bias(r: u32, row: u32) -> TileBias {
    return TileBias(offset_strip(r, row), index_run(place.q_first + row));
}

// Whether every score of the tile has the same bias but for the gate, `constant_bias`.
fn bias_constant() -> bool {
    return !PAIR_BIAS && offset_constant();
}

fn constant_bias(own: RowBias) -> f32 {
    return own.gate * constant_offset;
}

// The bias of row `row` and key `slot` of the tile.
fn bias_of(row: u32, slot: u32, own: RowBias, tile: TileBias) -> f32 {
    let by_offset = own.gate * offset_of(row, slot, tile.strip);
    if !PAIR_BIAS {
        return by_offset;
    }
    let i = place.q_first + row;
    let j = place.k_first + slot;
    return by_offset + index_of(i, j, slot, tile.indices) + dense_of(i, j) + fire_of(i, j, own.normalizer);
}
