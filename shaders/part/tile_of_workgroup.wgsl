// Slot `tile`: the whole workgroup meets the same tiles.
fn tile_rows() -> u32 {
    return Q_TILE;
}

fn tile_keys() -> u32 {
    return K_TILE;
}
