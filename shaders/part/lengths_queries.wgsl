// Slot `lengths`: the number of queries of each sequence.
@group(0) @binding(11) var<storage, read> query_lengths: array<u32>; // [B]

fn key_count() -> u32 {
    return params.k_len;
}

fn query_count() -> u32 {
    return query_lengths[place.batch];
}
