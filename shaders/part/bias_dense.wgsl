// Slot `bias`: a number for each score, in the type of q, k and v, with strides of which 0 shares it.
@group(0) @binding(10) var<storage, read> dense: array<Word>; // [B, H, Nq, Nk]
const LOG2_E = 1.4426950408889634;
const constant_bias = 0.0;

fn bias_prepare(local: u32) {}

fn bias_constant() -> bool {
    return false;
}

fn bias_of(row: u32, slot: u32) -> f32 {
    let s = params.bias_strides;
    let i = min(place.q_first + row, params.q_len - 1u);
    let j = min(place.k_first + slot, params.k_len - 1u);
    let at = place.batch * s.x + place.head * s.y + i * s.z + j;
    return number(dense[word_of(at)], at) * LOG2_E;
}
