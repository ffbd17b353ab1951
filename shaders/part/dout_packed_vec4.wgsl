// Slot `dout`: dO in 16 bits, four numbers at a time, as it lies with out.
@group(0) @binding(22) var<storage, read> dout: array<vec2<u32>>; // [B, H, Nq, Dv / 4]

fn read_dout(row: u32, d: u32) -> vec4<f32> {
    let w = dout[vector_at(row, d, VALUE_DIM, VALUE_PADDED)];
    return vec4(unpack(w.x), unpack(w.y));
}
