// Which keys a tile meets, and what becomes of a score that the mask hides. An entry has Q_TILE rows and K_TILE keys.
const MASKED = -3.4e38; // below every score; finite, so that no difference of two of them is NaN

// The number of keys that the last row of the tile may see.
fn key_end() -> u32 {
    if CAUSAL {
        let last = i32(min(place.q_first + Q_TILE, params.q_len)) + params.query_offset;
        return min(u32(max(last, 0)), params.k_len);
    }
    return params.k_len;
}

// Whether a row of the tile may not see every key of it, for the mask or because there are fewer.
fn tile_hides() -> bool {
    let last = place.k_first + K_TILE - 1u;
    let after = CAUSAL && i32(last) > i32(place.q_first) + params.query_offset;
    return KEY_MASK || after || last >= params.k_len;
}

fn masked(score: f32, i: u32, j: u32, key_visible: bool) -> f32 {
    let after = CAUSAL && i32(j) > i32(i) + params.query_offset;
    return select(score, MASKED, after || !key_visible);
}

// The exponentials; compared as bits, because a score that is not a number must not pass for a hidden one.
fn weight(score: f32, maximum: f32) -> f32 {
    return select(0.0, exp2(score - maximum), bitcast<u32>(score) != bitcast<u32>(MASKED));
}
