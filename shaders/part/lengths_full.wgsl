// Slot `lengths`: every sequence has all keys and queries.
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

// Rows from here on see no key: those past the last are not written, so that nothing need be hidden there;
fn query_limit() -> u32 {
    return 0xffffffffu;
}

// from here on they are not the sequence's.
fn row_limit() -> u32 {
    return params.q_len;
}
