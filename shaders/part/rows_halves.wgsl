// Of `attention_backward_cooperative.wgsl`: features of rows of either side, as matrices take them.
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
