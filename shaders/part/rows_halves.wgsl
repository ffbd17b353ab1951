// Of `attention_backward_cooperative.wgsl`: features of rows of either side, as matrices take them, and those of the other side in workgroup
// memory.

// What an invocation stages of a slice at most, in vec4.
const STAGED = (OTHER * max(HEAD_SLICE, VALUE_SLICE) * SIZE / 4u + WORKGROUP - 1u) / WORKGROUP;

// Of features 0 and 1 of the other side: where the first and the last row begin of the head that is met,
var<private> other_firsts: vec2<u32>;
var<private> other_lasts: vec2<u32>;
// and how far the rows that an invocation stages are from a tile's first.
var<private> others_apart: array<array<u32, STAGED>, 2>;

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

fn other_stride(which: u32) -> u32 {
    if OWNS_KEYS {
        return select(params.out_strides.z, params.q_strides.z, which == 0u);
    }
    return select(params.v_strides.z, params.k_strides.z, which == 0u);
}

// A slice of a row, in vec4.
fn slice_width(which: u32) -> u32 {
    return slice_blocks(which) * SIZE / 4u;
}

fn find_apart(local: u32) {
    for (var n = 0u; n < STAGED; n++) {
        let t = local + n * WORKGROUP;
        others_apart[0][n] = t / slice_width(0u) * other_stride(0u);
        others_apart[1][n] = t / slice_width(1u) * other_stride(1u);
    }
}

// Once for each head that is met.
fn find_others() {
    if OWNS_KEYS {
        other_firsts = vec2(row_of_query(0u, 0u), row_of_query(1u, 0u));
        other_lasts = vec2(row_of_query(0u, params.q_len - 1u), row_of_query(1u, params.q_len - 1u));
    } else {
        other_firsts = vec2(row_of_key(0u, 0u), row_of_key(1u, 0u));
        other_lasts = vec2(row_of_key(0u, params.k_len - 1u), row_of_key(1u, params.k_len - 1u));
    }
}

// The row of the tile that is so far from its first, and those behind it.
fn other_rows(which: u32, apart: u32) -> Rows {
    let first = select(other_firsts.y, other_firsts.x, which == 0u);
    let last = select(other_lasts.y, other_lasts.x, which == 0u);
    return Rows(first + apart, other_stride(which), select(place.k_first, place.q_first, OWNS_KEYS), last);
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
    let width = slice_width(which);
    let parts = OTHER * width;
    for (var n = 0u; n < (parts + WORKGROUP - 1u) / WORKGROUP; n++) {
        let t = local + n * WORKGROUP;
        if parts % WORKGROUP == 0u || t < parts {
            let at = row_at(other_rows(which, others_apart[which][n]));
            halves[OTHERS_AT + t / width * STRIDE + t % width] = half_of_other(which, at, 4u * (slice * width + t % width));
        }
    }
}

fn counted(which: u32, at: u32, d: u32, hides: bool) -> vec4<f16> {
    return half_without_infinity(half_of_other(which, at, d), hides);
}

// The same by feature, without infinities of rows that may be hidden; four features of four rows at a time.
fn stage_features(which: u32, slice: u32, hides: bool, local: u32) {
    let width = slice_width(which);
    let squares = OTHER / 4u * width;
    for (var n = 0u; n < (squares + WORKGROUP - 1u) / WORKGROUP; n++) {
        let t = local + n * WORKGROUP;
        if squares % WORKGROUP == 0u || t < squares {
            let at = four_rows_at(other_rows(which, 4u * others_apart[which][n]));
            let d = 4u * (slice * width + t % width);
            put_transposed(
                OTHERS_AT + t % width * 4u * FEATURE_STRIDE + t / width, FEATURE_STRIDE,
                counted(which, at.x, d, hides), counted(which, at.y, d, hides),
                counted(which, at.z, d, hides), counted(which, at.w, d, hides));
        }
    }
}
