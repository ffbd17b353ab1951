// Slot `mask`: a key is visible where its byte is not 0.

fn visible_key(j: u32) -> u32 {
    if j >= key_limit() {
        return 0u;
    }
    let at = place.batch * params.k_len + j;
    return (key_mask_word(at / 4u) >> (8u * (at % 4u))) & 0xffu;
}
