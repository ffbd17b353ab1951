// Slot `documents`: a query sees the keys whose document has its number.
@group(0) @binding(12) var<storage, read> query_documents: array<u32>; // [B, Nq]
@group(0) @binding(13) var<storage, read> key_documents: array<u32>;   // [B, Nk]

fn same_document(i: u32, j: u32) -> bool {
    let query = place.batch * params.q_len + min(i, params.q_len - 1u);
    let key = place.batch * params.k_len + min(j, params.k_len - 1u);
    return query_documents[query] == key_documents[key];
}
