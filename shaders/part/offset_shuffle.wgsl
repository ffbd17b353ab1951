// Slot `offset`: one number per head and clamped offset, times log2(e), read once for eight lanes.
//   row i of their rows i₀, i₀ + 1, … needs offsets o − (i − i₀) + e for its keys e, o being that of i₀ and key 0: the 15 numbers
//   that all of them need are read by two loads a lane, and passed on by shuffles
//   constant tile: all offsets past the radius on one side: one number for the whole tile
var<private> constant_tile: bool;
var<private> constant_offset: f32;
var<private> strip_next: array<f32, ROWS>;
var<private> strip_follows: bool; // whether this tile follows the one that `strip_next` is of
var<private> strip_at: u32;       // where the tile behind that one begins

fn offset_prepare(local: u32) {
    constant_tile = !PAIR_BIAS && offsets_constant();
    constant_offset = offset_bias(first_offset());
    strip_follows = strip_at == place.k_first && place.k_first != key_begin();
    strip_at = select(place.k_first + K_TILE, place.k_first, constant_tile);
}

fn offset_constant() -> bool {
    return constant_tile;
}

// This lane's share: of offsets o − 7 + l and o + 1 + l. The latter are the former of the next tile.
fn offset_strip(r: u32, row: u32) -> vec2<f32> {
    let first = i32(place.k_first + lane) - i32(place.q_first + row - lane) - place.shift + 1;
    var low = strip_next[r];
    if !strip_follows {
        low = offset_bias(first - i32(LANES));
    }
    let high = offset_bias(first);
    strip_next[r] = high;
    return vec2(low, high);
}

fn offset_of(row: u32, slot: u32, strip: vec2<f32>) -> f32 {
    return subgroupShuffle(select(strip.y, strip.x, lane >= slot), octet_first + ((LANES - 1u + slot - lane) & (LANES - 1u)));
}
