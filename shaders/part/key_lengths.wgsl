// Slot `key_lengths`: the keys of each sequence; never more than there are.

fn key_limit() -> u32 {
    return min(key_number(place.batch), params.filled);
}
