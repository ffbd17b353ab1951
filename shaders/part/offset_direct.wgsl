// Slot `offset`: one number per head and clamped offset, times log2(e), read where it lies.
//   constant tile: all offsets past the radius on one side: one number for the whole tile
var<private> constant_tile: bool;
var<private> constant_offset: f32;

fn offset_prepare(local: u32) {
    constant_tile = offsets_constant();
    constant_offset = offset_bias(first_offset());
}

fn offset_constant() -> bool {
    return constant_tile;
}

fn offset_strip(r: u32, row: u32) -> vec2<f32> {
    return vec2(0.0);
}

fn offset_of(row: u32, slot: u32, strip: vec2<f32>) -> f32 {
    return offset_bias(i32(place.k_first + slot) - i32(place.q_first + row) - place.shift);
}
