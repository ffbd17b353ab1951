// Slot `met_keys`: where rows of K and V of the tiles begin that a workgroup meets. Those of a head follow each other, so that most of it is found
// once: where an invocation's rows of the head's first tile begin, and the head's last row.
var<private> head_lasts: vec2<u32>; // of K and of V

fn find_head() {
    head_lasts = vec2(k_row(params.k_len - 1u), v_row(params.k_len - 1u));
}

fn k_start(behind: u32) -> u32 {
    return k_row(0u) + behind * params.k_strides.z;
}

fn v_start(behind: u32) -> u32 {
    return v_row(0u) + behind * params.v_strides.z;
}

fn met_k_row(first: u32, start: u32) -> u32 {
    return row_at(Rows(start, params.k_strides.z, first, head_lasts.x));
}

fn met_v_row(first: u32, start: u32) -> u32 {
    return row_at(Rows(start, params.v_strides.z, first, head_lasts.y));
}

// Of that key and the three behind it.
fn met_v_rows(first: u32, start: u32) -> vec4<u32> {
    return four_rows_at(Rows(start, params.v_strides.z, first, head_lasts.y));
}
