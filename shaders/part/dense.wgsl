// Slot `dense`: a number for each score, in the type of q, k and v, with strides of which 0 shares it.
@group(0) @binding(10) var<storage, read> dense: array<Word>; // [B, H, Nq, Nk]

fn dense_of(i: u32, j: u32) -> f32 {
    let s = params.bias_strides;
    let row = place.batch * s.x + place.head * s.y + min(i, params.q_len - 1u) * s.z;
    let at = row + min(j, params.k_len - 1u) - params.bias_base;
    return number(dense[word_of(at)], at) * LOG2_E;
}
