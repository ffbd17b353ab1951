// Slot `query_lengths`: rows from the query length of their sequence on see no key.
@group(0) @binding(11) var<storage, read> query_lengths: array<u32>; // [B]

fn past_queries(i: u32) -> bool {
    return i >= query_lengths[place.batch];
}

fn seeing_limit() -> u32 {
    return min(query_lengths[place.batch], row_limit());
}
