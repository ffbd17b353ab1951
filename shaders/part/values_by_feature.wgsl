// Slot `values` of `attention_forward_cooperative.wgsl`: a slice of V by feature, so that what a lane has of a matrix's column lies together.
// Whoever puts them turns four features of four keys.
const VALUE_STRIDE = K_TILE / 4u + 2u; // of a feature
const VALUES = 4u * VALUE_SLICE * VALUE_STRIDE;
const KEY_GROUPS = K_TILE / 4u;
const SQUARES = KEY_GROUPS * VALUE_SLICE; // of four by four
const VALUE_ROWS = (SQUARES + WORKGROUP - 1u) / WORKGROUP; // first rows of squares
const VALUE_FOURS = 4u * VALUE_ROWS;

fn value_behind(t: u32) -> u32 {
    return t % KEY_GROUPS * 4u;
}

// Neighbours have keys of the same features, and so put them side by side.
fn fetch_values(slice: u32, local: u32) {
    for (var n = 0u; n < VALUE_ROWS; n++) {
        let t = local + n * WORKGROUP;
        if SQUARES % WORKGROUP == 0u || t < SQUARES {
            let d = 4u * (slice * VALUE_SLICE + t / KEY_GROUPS);
            let rows = met_v_rows(place.k_first, value_starts[n]);
            fetched[4u * n] = half_v(rows.x, d);
            fetched[4u * n + 1u] = half_v(rows.y, d);
            fetched[4u * n + 2u] = half_v(rows.z, d);
            fetched[4u * n + 3u] = half_v(rows.w, d);
        }
    }
}

fn finite_values(n: u32, hides: bool) -> vec4<f16> {
    return half_without_infinity(fetched[n], hides);
}

fn put_values(hides: bool, local: u32) {
    for (var n = 0u; n < VALUE_ROWS; n++) {
        let t = local + n * WORKGROUP;
        if SQUARES % WORKGROUP == 0u || t < SQUARES {
            put_transposed(
                VALUES_AT + t / KEY_GROUPS * 4u * VALUE_STRIDE + t % KEY_GROUPS, VALUE_STRIDE,
                finite_values(4u * n, hides), finite_values(4u * n + 1u, hides),
                finite_values(4u * n + 2u, hides), finite_values(4u * n + 3u, hides));
        }
    }
}

// The matrix of block c of the keys and f of the features.
fn value_block(c: u32, f: u32) -> RightMatrix {
    return coopLoad<RightMatrix>(&halves[VALUES_AT + f * SIZE * VALUE_STRIDE + c * SIZE / 4u], VALUE_STRIDE);
}
