// Which keys a tile meets, and what becomes of a score that the mask hides. An entry has Q_TILE rows and K_TILE keys.
const MASKED = -3.4e38; // below every score; finite, so that no difference of two of them is NaN

// The first key tile that some row of the tile may see.
fn key_begin() -> u32 {
    let start = key_start();
    if WINDOW {
        let first = i32(place.q_first) + place.shift - params.window_left - i32(start);
        return start + u32(max(first, 0)) / K_TILE * K_TILE;
    }
    return start;
}

// Where the keys end that some row of the tile may see. It returns once, because FXC takes what returns early for uninitialized.
fn key_end() -> u32 {
    let rows = seeing_limit();
    var end = key_limit();
    if CAUSAL || WINDOW {
        let reach = select(params.window_right, 0, CAUSAL);
        let last = i32(min(place.q_first + Q_TILE, rows)) + place.shift + reach;
        end = min(u32(max(last, 0)), end);
    }
    return select(end, 0u, place.q_first >= rows);
}

// Whether the mask hides what is at this offset.
fn hidden_offset(offset: i32) -> bool {
    let after = CAUSAL && offset > 0;
    return after || (WINDOW && (offset > params.window_right || offset < -params.window_left));
}

// Whether a row of the tile may not see every key of it, for the mask or because there are fewer.
fn tile_hides() -> bool {
    let last = place.k_first + K_TILE - 1u;
    let first_offset = i32(place.k_first) - i32(place.q_first + Q_TILE - 1u) - place.shift;
    let last_offset = i32(last) - i32(place.q_first) - place.shift;
    let rows = past_queries(place.q_first + Q_TILE - 1u);
    return KEY_MASK || PAIR_MASK || rows || hidden_offset(first_offset) || hidden_offset(last_offset) || last >= key_limit();
}

// Whether a query sees a key that is visible to some, documents and bits left aside.
fn in_range(i: u32, j: u32) -> bool {
    return !hidden_offset(i32(j) - i32(i) - place.shift) && !past_queries(i);
}

fn sees(i: u32, j: u32) -> bool {
    return in_range(i, j) && query_document(i) == key_document(j) && (bits_from(i, j) & 1u) != 0u;
}

// The exponentials; compared as bits, because a score that is not a number must not pass for a hidden one.
fn weight(score: f32, maximum: f32) -> f32 {
    return select(0.0, exp2(score - maximum), bitcast<u32>(score) != bitcast<u32>(MASKED));
}
