// Rows that begin at whole groups of four numbers, and end with one.

// The group of four features from `d` on; one past the head repeats its last, so that nothing is read past a row.
fn vector_at(row: u32, d: u32, dim: u32, padded: bool) -> u32 {
    var feature = d;
    if padded {
        feature = min(d, dim - 4u);
    }
    return row / 4u + feature / 4u;
}
