// Slot `mask`: every key that exists is visible.
fn visible_key(j: u32) -> u32 {
    return select(0u, 1u, j < key_limit());
}
