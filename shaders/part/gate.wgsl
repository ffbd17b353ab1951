// Slot `gate`: a factor of the bias by offset for each row.
@group(0) @binding(15) var<storage, read> gate: array<f32>; // [B, H, Nq]

fn gate_of(i: u32) -> f32 {
    return gate[(place.batch * params.heads + place.head) * params.q_len + min(i, params.q_len - 1u)];
}
