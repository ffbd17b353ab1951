// Slot `key_lengths`: a sequence has all keys that there are.
fn key_limit() -> u32 {
    return params.filled;
}
