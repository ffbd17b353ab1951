// Slot `sequences`: each has tensors of its own along the batch.
fn placed(group: vec3<u32>) -> Place {
    return Place(group.z, group.y, group.x * Q_TILE, 0u, params.query_offset);
}

// Where the keys of the sequence begin.
fn key_start() -> u32 {
    return 0u;
}

// Rows from here on are not the sequence's.
fn row_limit() -> u32 {
    return params.q_len;
}
