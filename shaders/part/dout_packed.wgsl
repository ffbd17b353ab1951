// Slot `dout`: dO in 16 bits, as it lies with out.
@group(0) @binding(22) var<storage, read> dout: array<u32>; // [B, H, Nq, Dv]

fn read_dout(row: u32, d: u32) -> vec4<f32> {
    let w = words(row, d, VALUE_DIM, VALUE_PADDED);
    return vec4(unpack(dout[w.x]), unpack(dout[w.y]));
}
