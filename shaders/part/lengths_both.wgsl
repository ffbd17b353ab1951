// Slot `lengths`: the number of keys and of queries of each sequence; never more keys than there are.
@group(0) @binding(9) var<storage, read> key_lengths: array<u32>;    // [B]
@group(0) @binding(11) var<storage, read> query_lengths: array<u32>; // [B]

fn key_count() -> u32 {
    return min(key_lengths[place.batch], params.k_len);
}

fn query_count() -> u32 {
    return query_lengths[place.batch];
}
