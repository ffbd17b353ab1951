// Slot `small`: what does not grow with Nq · Nk, each in a buffer of its own. Other slots read it by these functions; a buffer that none
// reads is not bound.
@group(0) @binding(6) var<storage, read> offset_table: array<f32>;     // [H, 2·radius + 1], times log2(e)
@group(0) @binding(7) var<storage, read> key_mask: array<u32>;         // [B, Nk] bytes, four to a word
@group(0) @binding(9) var<storage, read> key_numbers: array<u32>;      // [B] lengths, or [S + 1] starts
@group(0) @binding(11) var<storage, read> query_numbers: array<u32>;   // [B] lengths, or [S + 1] starts
@group(0) @binding(12) var<storage, read> query_documents: array<u32>; // [B, Nq]
@group(0) @binding(13) var<storage, read> key_documents: array<u32>;   // [B, Nk]
@group(0) @binding(15) var<storage, read> gate: array<f32>;            // [B, H, Nq]
@group(0) @binding(16) var<storage, read> fire: array<f32>;            // [H, 4·FIRE_WIDTH + 4]: c, L, breakpoints, changes, A, C
@group(0) @binding(17) var<storage, read> table: array<f32>;           // [rows, H]

fn offset_number(at: u32) -> f32 {
    return offset_table[at];
}

fn key_mask_word(at: u32) -> u32 {
    return key_mask[at];
}

fn key_number(at: u32) -> u32 {
    return key_numbers[at];
}

fn query_number(at: u32) -> u32 {
    return query_numbers[at];
}

fn query_document_number(at: u32) -> u32 {
    return query_documents[at];
}

fn key_document_number(at: u32) -> u32 {
    return key_documents[at];
}

fn gate_number(at: u32) -> f32 {
    return gate[at];
}

fn segment_number(at: u32) -> f32 {
    return fire[at];
}

fn table_number(at: u32) -> f32 {
    return table[at];
}
