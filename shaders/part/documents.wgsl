// Slot `documents`: a query sees the keys whose document has its number.
const DOCUMENTS = true;

fn query_document(i: u32) -> u32 {
    return query_document_number(place.batch * params.q_len + min(i, params.q_len - 1u));
}

fn key_document(j: u32) -> u32 {
    return key_document_number(place.batch * params.k_len + min(j, params.k_len - 1u));
}
