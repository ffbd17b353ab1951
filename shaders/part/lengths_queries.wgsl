// Slot `lengths`: the number of queries of each sequence.
@group(0) @binding(11) var<storage, read> query_lengths: array<u32>; // [B]

fn placed(group: vec3<u32>) -> Place {
    return Place(group.z, group.y, group.x * Q_TILE, 0u, params.query_offset);
}

// The keys of the sequence begin here,
fn key_start() -> u32 {
    return 0u;
}

// and end here.
fn key_limit() -> u32 {
    return params.filled;
}

// Whether a row is past the queries of the sequence, and sees no key.
fn past_queries(i: u32) -> bool {
    return i >= query_lengths[place.batch];
}

// Rows from here on see no key.
fn seeing_limit() -> u32 {
    return min(query_lengths[place.batch], params.q_len);
}

// Rows from here on are not the sequence's.
fn row_limit() -> u32 {
    return params.q_len;
}
