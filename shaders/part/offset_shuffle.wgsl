// Slot `offset`: one number per head and clamped offset, times log2(e), read once for a subgroup.
//   near tile:     lane l of rows i, i + 1, … needs offsets o − l + e for its keys e: the lanes + LANES − 1 that all of them need are
//                  read by two loads a lane, and passed on by shuffles
//   constant tile: all offsets past the radius on one side: one number for the whole tile
// Where the rows of a subgroup do not follow one another, which WGSL does not promise, each score reads its own.
@group(0) @binding(6) var<storage, read> offset_table: array<f32>; // [H, 2·radius + 1]
var<private> constant_tile: bool;
var<private> constant_offset: f32;

fn offset_bias(offset: i32) -> f32 {
    let radius = i32(params.radius);
    let row = place.head * (2u * params.radius + 1u);
    return offset_table[row + u32(clamp(offset, -radius, radius) + radius)];
}

fn offset_prepare(local: u32) {
    let radius = i32(params.radius);
    let first_offset = i32(place.k_first) - i32(place.q_first + Q_TILE - 1u) - place.shift;
    let last_offset = first_offset + i32(Q_TILE + K_TILE) - 2;
    constant_tile = first_offset >= radius || last_offset <= -radius;
    constant_offset = offset_bias(first_offset);
}

fn offset_constant() -> bool {
    return constant_tile;
}

fn offset_at(row: u32, slot: u32) -> i32 {
    return i32(place.k_first + slot) - i32(place.q_first + row) - place.shift;
}

// This lane's share of what the subgroup needs for a row: the numbers of offsets o − (lanes − 1) + l and o + 1 + l, o being that of
// lane 0 and key 0.
fn offset_strip(row: u32) -> vec2<f32> {
    if constant_tile || !rows_in_order {
        return vec2(0.0);
    }
    let first = offset_at(row - lane, 0u);
    return vec2(offset_bias(first + 1 - i32(lanes) + i32(lane)), offset_bias(first + 1 + i32(lane)));
}

fn offset_of(row: u32, slot: u32, strip: vec2<f32>) -> f32 {
    if PAIR_BIAS && constant_tile {
        return constant_offset;
    }
    if !rows_in_order {
        return offset_bias(offset_at(row, slot));
    }
    return subgroupShuffle(select(strip.y, strip.x, lane >= slot), (lanes - 1u + slot - lane) & (lanes - 1u));
}
