// Slot `dense_gradient`: dS itself. Sequences and heads that share a number come one after the other, in dispatches of their own.
@group(0) @binding(27) var<storage, read_write> dbias: array<f32>; // [B, H, Nq, Nk] with strides of which 0 shares it

fn dense_gradient(i: u32, j: u32, ds: f32) {
    if i < row_limit() && j < params.k_len {
        let s = params.bias_strides;
        dbias[place.batch * s.x + place.head * s.y + i * s.z + j - backward.dbias_base] += ds;
    }
}
