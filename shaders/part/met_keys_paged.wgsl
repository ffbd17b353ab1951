// Slot `met_keys`: where rows of K and V of the tiles begin that a workgroup meets. Where a block lies only the table knows.
fn find_head() {}

fn k_start(behind: u32) -> u32 {
    return behind;
}

fn v_start(behind: u32) -> u32 {
    return behind;
}

fn met_k_row(first: u32, behind: u32) -> u32 {
    return k_row(first + behind);
}

fn met_v_row(first: u32, behind: u32) -> u32 {
    return v_row(first + behind);
}

fn met_v_rows(first: u32, behind: u32) -> vec4<u32> {
    let j = first + behind;
    return vec4(v_row(j), v_row(j + 1u), v_row(j + 2u), v_row(j + 3u));
}
