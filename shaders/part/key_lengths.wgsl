// Slot `key_lengths`: the keys of each sequence; never more than there are.
@group(0) @binding(9) var<storage, read> key_lengths: array<u32>; // [B]

fn key_limit() -> u32 {
    return min(key_lengths[place.batch], params.filled);
}
