// Slot `bias`: nothing is added.
const constant_bias = 0.0;

fn bias_prepare(local: u32) {}

// Whether every score of the tile has the same bias, `constant_bias`.
fn bias_constant() -> bool {
    return true;
}

// The bias of row `row` and key `slot` of the tile, times log2(e).
fn bias_of(row: u32, slot: u32) -> f32 {
    return 0.0;
}
