// Slot `sequences`: each has tensors of its own along the batch.
fn placed(group: vec3<u32>) -> Place {
    return Place(group.z, group.y, group.x * Q_TILE, 0u, params.shift);
}

// The same of a workgroup that owns keys; `head` is one of keys.
fn placed_keys(group: vec3<u32>) -> Place {
    return Place(group.z, group.y, 0u, group.x * K_TILE, params.shift);
}

// Where the rows of the sequence begin.
fn row_start() -> u32 {
    return 0u;
}

// Where the keys of the sequence begin.
fn key_start() -> u32 {
    return 0u;
}

// Rows from here on are not the sequence's.
fn row_limit() -> u32 {
    return params.q_len;
}

// Keys from here on are not the sequence's, though it may have fewer.
fn key_row_limit() -> u32 {
    return params.k_len;
}
