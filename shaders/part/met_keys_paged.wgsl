// Slot `met_keys`: where rows of K and V of the tiles begin that a workgroup meets. Where a block lies only the table knows.
fn find_head() {}

fn met_k_row(j: u32) -> u32 {
    return k_row(j);
}

fn met_v_row(j: u32) -> u32 {
    return v_row(j);
}

fn met_v_rows(j: u32) -> vec4<u32> {
    return vec4(v_row(j), v_row(j + 1u), v_row(j + 2u), v_row(j + 3u));
}
