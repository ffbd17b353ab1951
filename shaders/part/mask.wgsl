// Which keys a tile meets, and what becomes of a score that the mask hides. A tile has tile_rows() rows and tile_keys() keys.
const MASKED = -3.4e38; // below every score; finite, so that no difference of two of them is NaN
const LOWEST = -3.39e38; // the maximum of no score: below every score, and far enough above MASKED for exp2 of their difference to be 0

// The first key tile that some row of the tile may see.
fn key_begin() -> u32 {
    let start = key_start();
    if WINDOW {
        let first = i32(place.q_first) + place.shift - params.window_left - i32(start);
        return start + u32(max(first, 0)) / tile_keys() * tile_keys();
    }
    return start;
}

// Where the keys end that some row of the tile may see. It returns once, because FXC takes what returns early for uninitialized.
fn key_end() -> u32 {
    let rows = seeing_limit();
    var end = key_limit();
    if CAUSAL || WINDOW {
        let reach = select(params.window_right, 0, CAUSAL);
        let last = i32(min(place.q_first + tile_rows(), rows)) + place.shift + reach;
        end = min(u32(max(last, 0)), end);
    }
    return select(end, 0u, place.q_first >= rows);
}

// Whether the mask hides what is at this offset.
fn hidden_offset(offset: i32) -> bool {
    let after = CAUSAL && offset > 0;
    return after || (WINDOW && (offset > params.window_right || offset < -params.window_left));
}

// The least and the greatest offset of the tile.
fn first_offset() -> i32 {
    return i32(place.k_first) - i32(place.q_first + tile_rows() - 1u) - place.shift;
}

fn last_offset() -> i32 {
    return i32(place.k_first + tile_keys() - 1u) - i32(place.q_first) - place.shift;
}

// Whether a row of the tile may not see every key of it, for the mask or because there are fewer.
fn tile_hides() -> bool {
    let last = place.k_first + tile_keys() - 1u;
    let rows = past_queries(place.q_first + tile_rows() - 1u);
    return KEY_MASK || PAIR_MASK || rows || hidden_offset(first_offset()) || hidden_offset(last_offset()) || last >= key_limit();
}

// Whether a query sees a key that is visible to some, documents and bits left aside.
fn in_range(i: u32, j: u32) -> bool {
    return !hidden_offset(i32(j) - i32(i) - place.shift) && !past_queries(i);
}

// Of eight bits the n-th and those above it.
fn bits_above(n: i32) -> u32 {
    return 0xffu << u32(clamp(n, 0, 8));
}

// Which of eight rows from `first` on, 2^step apart, come before an end.
fn bits_before(end: u32, first: u32, step: u32) -> u32 {
    return 0xffu & ~bits_above((i32(end) - i32(first) + (1 << step) - 1) >> step);
}

// The same as `in_range` for eight keys, bit n being key j + n · 2^step.
fn range_bits(i: u32, j: u32, step: u32) -> u32 {
    let position = i32(i) + place.shift - i32(j);
    var bits = 0xffu;
    if CAUSAL || WINDOW {
        let reach = select(params.window_right, 0, CAUSAL);
        bits &= ~bits_above(((position + reach) >> step) + 1);
    }
    if WINDOW {
        bits &= bits_above((position - params.window_left + (1 << step) - 1) >> step);
    }
    return select(bits, 0u, past_queries(i));
}

// The same for a key and eight queries, bit n being query i + n · 2^step.
fn query_range_bits(j: u32, i: u32, step: u32) -> u32 {
    let position = i32(j) - place.shift - i32(i);
    var bits = bits_before(seeing_limit(), i, step);
    if CAUSAL || WINDOW {
        let reach = select(params.window_right, 0, CAUSAL);
        bits &= bits_above((position - reach + (1 << step) - 1) >> step);
    }
    if WINDOW {
        bits &= ~bits_above(((position + params.window_left) >> step) + 1);
    }
    return bits;
}

fn sees(i: u32, j: u32) -> bool {
    return in_range(i, j) && query_document(i) == key_document(j) && (bits_from(i, j) & 1u) != 0u;
}

// The exponential, 0 for a hidden score; no maximum is below LOWEST.
fn weight(score: f32, maximum: f32) -> f32 {
    return exp2(score - maximum);
}
