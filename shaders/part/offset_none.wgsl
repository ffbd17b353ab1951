// Slot `offset`: nothing is added.
const constant_offset = 0.0;

fn offset_prepare(local: u32) {}

// Whether every score of the tile has the same number, `constant_offset`.
fn offset_constant() -> bool {
    return true;
}

fn offset_strip(r: u32, row: u32) -> vec2<f32> {
    return vec2(0.0);
}

// What row `row` and key `slot` of the tile add, times log2(e).
fn offset_of(row: u32, slot: u32, strip: vec2<f32>) -> f32 {
    return 0.0;
}
