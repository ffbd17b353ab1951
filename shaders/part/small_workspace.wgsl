// Slot `small`: what does not grow with Nq · Nk, gathered in the workspace, so that eight buffers are enough for every mask.
fn offset_number(at: u32) -> f32 {
    return workspace_number(backward.at_offset_table + at);
}

fn key_mask_word(at: u32) -> u32 {
    return workspace[backward.at_key_mask + at];
}

fn key_number(at: u32) -> u32 {
    return workspace[backward.at_key_numbers + at];
}

fn query_number(at: u32) -> u32 {
    return workspace[backward.at_query_numbers + at];
}

fn query_document_number(at: u32) -> u32 {
    return workspace[backward.at_query_documents + at];
}

fn key_document_number(at: u32) -> u32 {
    return workspace[backward.at_key_documents + at];
}

fn gate_number(at: u32) -> f32 {
    return workspace_number(backward.at_gate + at);
}

fn segment_number(at: u32) -> f32 {
    return workspace_number(backward.at_fire_table + at);
}

fn table_number(at: u32) -> f32 {
    return workspace_number(backward.at_table + at);
}
