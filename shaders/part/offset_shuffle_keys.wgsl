// Slot `offset`, where keys own: one number per head and clamped offset, times log2(e), read once for eight lanes.
//   key j of their keys j₀, j₀ + 1, … needs offsets o + (j − j₀) − e for its queries e, o being that of j₀ and query 0: the 15 numbers
//   that all of them need are read by two loads a lane, and passed on by shuffles
//   constant tile: all offsets past the radius on one side: one number for the whole tile
var<private> constant_tile: bool;
var<private> constant_offset: f32;

fn offset_prepare(local: u32) {
    constant_tile = !PAIR_BIAS && offsets_constant();
    constant_offset = offset_bias(first_offset());
}

fn offset_constant() -> bool {
    return constant_tile;
}

// This lane's share: of offsets o − 7 + l and o + 1 + l. `key` is its own.
fn offset_strip(r: u32, key: u32) -> vec2<f32> {
    let first = i32(place.k_first + key) - i32(place.q_first) - place.shift - i32(LANES - 1u);
    return vec2(offset_bias(first), offset_bias(first + i32(LANES)));
}

fn offset_of(query: u32, slot: u32, strip: vec2<f32>) -> f32 {
    let share = select(strip.y, strip.x, lane + query >= LANES - 1u);
    return subgroupShuffle(share, octet_first + ((lane + LANES - 1u - query) & (LANES - 1u)));
}
