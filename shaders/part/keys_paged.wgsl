// Slot `keys`: k and v are pools of blocks, [blocks, Hkv, BLOCK_SIZE, D], and a table says in which block a sequence goes on. A
// block past the pool counts as its last.
@group(0) @binding(18) var<storage, read> block_table: array<u32>; // [B, ⌈Nk / BLOCK_SIZE⌉]

fn key_row(s: vec4<u32>, j: u32) -> u32 {
    let block = min(block_table[place.batch * params.table_width + j / BLOCK_SIZE], params.blocks - 1u);
    return block * s.x + place.head / params.group_size * s.y + j % BLOCK_SIZE * s.z;
}
