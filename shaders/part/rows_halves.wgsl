// Of `attention_backward_cooperative.wgsl`: features of rows of either side, as matrices take them.
fn half_of_query(which: u32, row: u32, d: u32) -> vec4<f16> {
    let i = place.q_first + row;
    if which == 0u {
        return half_q(q_row(i), d);
    }
    return half_dout(dout_row(i), d);
}

fn half_of_key(which: u32, row: u32, d: u32) -> vec4<f16> {
    let j = place.k_first + row;
    if which == 0u {
        return half_k(k_row(j), d);
    }
    return half_v(v_row(j), d);
}

fn half_of_own(which: u32, row: u32, d: u32) -> vec4<f16> {
    if OWNS_KEYS {
        return half_of_key(which, row, d);
    }
    return half_of_query(which, row, d);
}

fn half_of_other(which: u32, row: u32, d: u32) -> vec4<f16> {
    if OWNS_KEYS {
        return half_of_query(which, row, d);
    }
    return half_of_key(which, row, d);
}
