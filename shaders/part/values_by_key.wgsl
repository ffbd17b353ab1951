// Slot `values` of `attention_forward_cooperative.wgsl`: a slice of V as it lies in memory, which matrices turn as they are read.
const VALUE_STRIDE = VALUE_SLICE + 2u; // of a key
const VALUES = K_TILE * VALUE_STRIDE;
const VALUE_ROWS = (K_TILE * VALUE_SLICE + WORKGROUP - 1u) / WORKGROUP;
const VALUE_FOURS = VALUE_ROWS;

fn value_behind(t: u32) -> u32 {
    return t / VALUE_SLICE;
}

fn fetch_values(slice: u32, local: u32) {
    for (var n = 0u; n < VALUE_FOURS; n++) {
        let t = local + n * WORKGROUP;
        fetched[n] = half_v(met_v_row(place.k_first, value_starts[n]), 4u * (slice * VALUE_SLICE + t % VALUE_SLICE));
    }
}

fn put_values(hides: bool, local: u32) {
    for (var n = 0u; n < VALUE_FOURS; n++) {
        let t = local + n * WORKGROUP;
        if K_TILE * VALUE_SLICE % WORKGROUP == 0u || t < K_TILE * VALUE_SLICE {
            halves[VALUES_AT + t / VALUE_SLICE * VALUE_STRIDE + t % VALUE_SLICE] = half_without_infinity(fetched[n], hides);
        }
    }
}

// The matrix of block c of the keys and f of the features.
fn value_block(c: u32, f: u32) -> RightMatrix {
    return coopLoadT<RightMatrix>(&halves[VALUES_AT + c * SIZE * VALUE_STRIDE + f * SIZE / 4u], VALUE_STRIDE);
}
