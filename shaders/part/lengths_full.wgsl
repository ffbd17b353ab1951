// Slot `lengths`: every sequence has all keys.
fn key_count() -> u32 {
    return params.k_len;
}
