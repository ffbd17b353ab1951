// Of `attention_forward_cooperative.wgsl`: parts of K, read some time before they are put into workgroup memory; V by the slot `values`.

// What `met_keys` makes of an invocation's rows of a tile.
var<private> key_starts: array<u32, KEY_FOURS>;
var<private> value_starts: array<u32, VALUE_ROWS>;

fn find_starts(local: u32) {
    for (var n = 0u; n < KEY_FOURS; n++) {
        key_starts[n] = k_start((local + n * WORKGROUP) / SLICE);
    }
    for (var n = 0u; n < VALUE_ROWS; n++) {
        value_starts[n] = v_start(value_behind(local + n * WORKGROUP));
    }
}

// A slice of the features of a tile's keys, from key `first` on. Of keys past the end some others are read.
fn fetch_keys(first: u32, slice: u32, local: u32) {
    for (var n = 0u; n < KEY_FOURS; n++) {
        let t = local + n * WORKGROUP;
        fetched[n] = half_k(met_k_row(first, key_starts[n]), 4u * (slice * SLICE + t % SLICE));
    }
}

fn put_keys(local: u32) {
    for (var n = 0u; n < KEY_FOURS; n++) {
        let t = local + n * WORKGROUP;
        if K_TILE * SLICE % WORKGROUP == 0u || t < K_TILE * SLICE {
            halves[KEYS_AT + t / SLICE * SLICE_STRIDE + t % SLICE] = fetched[n];
        }
    }
}

// Behind the last slice come the keys of the next tile.
fn fetch_behind(slice: u32, local: u32) {
    if slice + 1u < VALUE_SLICES {
        fetch_values(slice + 1u, local);
    } else {
        fetch_keys(place.k_first + K_TILE, 0u, local);
    }
}
