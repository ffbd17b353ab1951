// Slot `dout`: dO in f16, which the products of matrices take as it is; it lies with out.
@group(0) @binding(22) var<storage, read> dout: array<vec2<f16>>; // [B, H, Nq, Dv]

fn half_dout(row: u32, d: u32) -> vec4<f16> {
    let w = words(row, d, VALUE_DIM, VALUE_PADDED);
    return half_within(d, vec4(dout[w.x], dout[w.y]), VALUE_DIM, VALUE_PADDED);
}

fn read_dout(row: u32, d: u32) -> vec4<f32> {
    return vec4<f32>(half_dout(row, d));
}
