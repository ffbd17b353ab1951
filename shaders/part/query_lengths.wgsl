// Slot `query_lengths`: rows from the query length of their sequence on see no key.

fn past_queries(i: u32) -> bool {
    return i >= query_number(place.batch);
}

fn seeing_limit() -> u32 {
    return min(query_number(place.batch), row_limit());
}
