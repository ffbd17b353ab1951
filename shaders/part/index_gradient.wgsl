// Slot `index_gradient`: dS is added to the row of the table that the index of query and key names, of each matrix.
fn index_gradient(i: u32, j: u32, ds: f32) {
    let at = index_at(i, min(j, params.k_len - 1u));
    for (var m = 0u; m < MATRICES; m++) {
        let row = table_row(at + m * params.index_strides.y);
        if row < TABLE_ROWS {
            add_to_workspace(scores_at + m * TABLE_ROWS + row, ds);
        }
    }
}
