// Slot `dout`: dO in f32, as it lies with out.
@group(0) @binding(22) var<storage, read> dout: array<f32>; // [B, H, Nq, Dv]

fn read_dout(row: u32, d: u32) -> vec4<f32> {
    let f = features(row, d, VALUE_DIM, VALUE_PADDED);
    return vec4(dout[f.x], dout[f.y], dout[f.z], dout[f.w]);
}
