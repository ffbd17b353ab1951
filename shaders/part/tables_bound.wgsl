// Slot `tables`: what was made of the bias's parameters, each in a buffer of its own.
@group(0) @binding(6) var<storage, read> offset_table: array<f32>; // [H, 2·radius + 1], times log2(e)
@group(0) @binding(16) var<storage, read> fire: array<f32>;        // [H, 4·FIRE_WIDTH + 4]: c, L, breakpoints, changes, A, C

fn offset_number(at: u32) -> f32 {
    return offset_table[at];
}

fn segment_number(at: u32) -> f32 {
    return fire[at];
}
