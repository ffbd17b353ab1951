// Which query tiles a tile of keys meets: the other way round than `mask.wgsl`, with which this agrees on every pair.

// The first query tile of which some row may see a key of the tile.
fn query_begin() -> u32 {
    let start = row_start();
    if CAUSAL || WINDOW {
        let reach = select(params.window_right, 0, CAUSAL);
        let first = i32(place.k_first) - place.shift - reach - i32(start);
        return start + u32(max(first, 0)) / tile_rows() * tile_rows();
    }
    return start;
}

// Where the queries end that may see a key of the tile; it returns once, as `key_end` does.
fn query_end() -> u32 {
    let keys = key_limit();
    var end = seeing_limit();
    if WINDOW {
        let last = i32(min(place.k_first + tile_keys(), keys)) - place.shift + params.window_left;
        end = min(u32(max(last, 0)), end);
    }
    return select(end, 0u, place.k_first >= keys);
}
