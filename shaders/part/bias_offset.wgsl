// Slot `bias`: one number per head and clamped offset, times log2(e).
//   near tile:     stage the Q_TILE + K_TILE − 1 offsets that it meets, read them by diagonal
//   constant tile: all offsets past the radius on one side: the strip holds one number
@group(0) @binding(6) var<storage, read> offset_table: array<f32>; // [H, 2·radius + 1]
var<workgroup> strip: array<f32, Q_TILE + K_TILE>;
var<private> constant_tile: bool;

fn bias_prepare(local: u32, head: u32, first_offset: i32) {
    let radius = i32(params.radius);
    let last_offset = first_offset + i32(Q_TILE + K_TILE) - 2;
    constant_tile = first_offset >= radius || last_offset <= -radius;
    let row = head * (2u * params.radius + 1u);
    if constant_tile {
        if local == 0u {
            strip[0] = offset_table[row + u32(clamp(first_offset, -radius, radius) + radius)];
        }
        return;
    }
    for (var t = local; t < Q_TILE + K_TILE; t += WORKGROUP) {
        strip[t] = offset_table[row + u32(clamp(first_offset + i32(t), -radius, radius) + radius)];
    }
}

fn bias_of(diagonal: u32, i: u32, j: u32) -> f32 {
    return strip[select(diagonal, 0u, constant_tile)];
}
