// Slot `met_keys`: where rows of K and V of the tiles begin that a workgroup meets. Those of a head follow each other, and the first is found
// once.
var<private> head_firsts: vec2<u32>; // of K and of V

fn find_head() {
    head_firsts = vec2(k_row(0u), v_row(0u));
}

fn met_k_row(j: u32) -> u32 {
    return row_at(Rows(head_firsts.x, params.k_strides.z, j, params.k_len - 1u));
}

fn met_v_row(j: u32) -> u32 {
    return row_at(Rows(head_firsts.y, params.v_strides.z, j, params.k_len - 1u));
}

// Of keys j to j + 3.
fn met_v_rows(j: u32) -> vec4<u32> {
    return four_rows_at(Rows(head_firsts.y, params.v_strides.z, j, params.k_len - 1u));
}
