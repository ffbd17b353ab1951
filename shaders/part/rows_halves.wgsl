// Of `attention_backward_cooperative.wgsl`: features of rows of either side, as matrices take them, and those of the other side in workgroup
// memory.
var<private> other_firsts: vec2<u32>; // where the first row begins of the other side, of features 0 and 1 of the head that is met

// Of a row that begins there.
fn half_of_query(which: u32, at: u32, d: u32) -> vec4<f16> {
    if which == 0u {
        return half_q(at, d);
    }
    return half_dout(at, d);
}

fn half_of_key(which: u32, at: u32, d: u32) -> vec4<f16> {
    if which == 0u {
        return half_k(at, d);
    }
    return half_v(at, d);
}

fn row_of_query(which: u32, i: u32) -> u32 {
    if which == 0u {
        return q_row(i);
    }
    return dout_row(i);
}

fn row_of_key(which: u32, j: u32) -> u32 {
    if which == 0u {
        return k_row(j);
    }
    return v_row(j);
}

// Row `row` of the tile.
fn half_of_own(which: u32, row: u32, d: u32) -> vec4<f16> {
    if OWNS_KEYS {
        return half_of_key(which, row_of_key(which, place.k_first + row), d);
    }
    return half_of_query(which, row_of_query(which, place.q_first + row), d);
}

// Once for each head that is met.
fn find_others() {
    if OWNS_KEYS {
        other_firsts = vec2(row_of_query(0u, 0u), row_of_query(1u, 0u));
    } else {
        other_firsts = vec2(row_of_key(0u, 0u), row_of_key(1u, 0u));
    }
}

// Row `row` of the tile and those behind it, on the other side.
fn other_rows(which: u32, row: u32) -> Rows {
    let first = select(other_firsts.y, other_firsts.x, which == 0u);
    if OWNS_KEYS {
        let stride = select(params.out_strides.z, params.q_strides.z, which == 0u);
        return Rows(first, stride, place.q_first + row, params.q_len - 1u);
    }
    let stride = select(params.v_strides.z, params.k_strides.z, which == 0u);
    return Rows(first, stride, place.k_first + row, params.k_len - 1u);
}

// Of one that begins there.
fn half_of_other(which: u32, at: u32, d: u32) -> vec4<f16> {
    if OWNS_KEYS {
        return half_of_query(which, at, d);
    }
    return half_of_key(which, at, d);
}

// A slice of the features of the other side, by row.
fn stage_rows(which: u32, slice: u32, local: u32) {
    let width = slice_blocks(which) * SIZE / 4u;
    let parts = OTHER * width;
    for (var n = 0u; n < (parts + WORKGROUP - 1u) / WORKGROUP; n++) {
        let t = local + n * WORKGROUP;
        if parts % WORKGROUP == 0u || t < parts {
            let at = row_at(other_rows(which, t / width));
            halves[OTHERS_AT + t / width * STRIDE + t % width] = half_of_other(which, at, 4u * (slice * width + t % width));
        }
    }
}

fn counted(which: u32, at: u32, d: u32, hides: bool) -> vec4<f16> {
    return half_without_infinity(half_of_other(which, at, d), hides);
}

// The same by feature, without infinities of rows that may be hidden; four features of four rows at a time.
fn stage_features(which: u32, slice: u32, hides: bool, local: u32) {
    let width = slice_blocks(which) * SIZE / 4u;
    let squares = OTHER / 4u * width;
    for (var n = 0u; n < (squares + WORKGROUP - 1u) / WORKGROUP; n++) {
        let t = local + n * WORKGROUP;
        if squares % WORKGROUP == 0u || t < squares {
            let at = four_rows_at(other_rows(which, t / width * 4u));
            let d = 4u * (slice * width + t % width);
            put_transposed(
                OTHERS_AT + t % width * 4u * FEATURE_STRIDE + t / width, FEATURE_STRIDE,
                counted(which, at.x, d, hides), counted(which, at.y, d, hides),
                counted(which, at.z, d, hides), counted(which, at.w, d, hides));
        }
    }
}
