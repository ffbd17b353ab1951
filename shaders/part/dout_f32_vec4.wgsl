// Slot `dout`: dO in f32, a vec4 at a time, as it lies with out.
@group(0) @binding(22) var<storage, read> dout: array<vec4<f32>>; // [B, H, Nq, Dv / 4]

fn read_dout(row: u32, d: u32) -> vec4<f32> {
    return dout[vector_at(row, d, VALUE_DIM, VALUE_PADDED)];
}
