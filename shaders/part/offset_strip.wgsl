// Slot `offset`: one number per head and clamped offset, times log2(e), staged for the workgroup.
//   near tile:     stage the Q_TILE + K_TILE − 1 offsets that it meets, read them by diagonal
//   constant tile: all offsets past the radius on one side: one number for the whole tile
var<workgroup> staged: array<f32, Q_TILE + K_TILE - 1u>;
var<private> constant_tile: bool;
var<private> constant_offset: f32;

fn offset_prepare(local: u32) {
    constant_tile = offsets_constant();
    if constant_tile {
        constant_offset = offset_bias(first_offset());
        return;
    }
    for (var t = local; t < Q_TILE + K_TILE - 1u; t += WORKGROUP) {
        staged[t] = offset_bias(first_offset() + i32(t));
    }
}

fn offset_constant() -> bool {
    return constant_tile;
}

fn offset_strip(r: u32, row: u32) -> vec2<f32> {
    return vec2(0.0);
}

fn offset_of(row: u32, slot: u32, strip: vec2<f32>) -> f32 {
    if PAIR_BIAS && constant_tile {
        return constant_offset;
    }
    return staged[Q_TILE - 1u - row + slot];
}
