// Slot `dout`: dO in f16, four numbers at a time, which the products of matrices take as it is; it lies with out.
@group(0) @binding(22) var<storage, read> dout: array<vec4<f16>>; // [B, H, Nq, Dv / 4]

fn half_dout(row: u32, d: u32) -> vec4<f16> {
    return half_within(d, dout[vector_at(row, d, VALUE_DIM, VALUE_PADDED)], VALUE_DIM, VALUE_PADDED);
}

fn read_dout(row: u32, d: u32) -> vec4<f32> {
    return vec4<f32>(half_dout(row, d));
}
