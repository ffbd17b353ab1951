// Slot `documents`: a query sees the keys whose document has its number.
@group(0) @binding(12) var<storage, read> query_documents: array<u32>; // [B, Nq]
@group(0) @binding(13) var<storage, read> key_documents: array<u32>;   // [B, Nk]
const DOCUMENTS = true;

fn query_document(i: u32) -> u32 {
    return query_documents[place.batch * params.q_len + min(i, params.q_len - 1u)];
}

fn key_document(j: u32) -> u32 {
    return key_documents[place.batch * params.k_len + min(j, params.k_len - 1u)];
}
