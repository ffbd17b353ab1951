// Slot `query_lengths`: all rows of a sequence see keys. Those past its last are not written, so that nothing need be hidden there.
fn past_queries(i: u32) -> bool {
    return false;
}

fn seeing_limit() -> u32 {
    return row_limit();
}
