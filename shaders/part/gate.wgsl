// Slot `gate`: a factor of the bias by offset for each row.

fn gate_of(i: u32) -> f32 {
    return gate_number((place.batch * params.heads + place.head) * params.q_len + min(i, params.q_len - 1u));
}

// A gradient of the gated bias; the gate of a row that sees nothing may be anything.
fn gated(gate: f32, gradient: f32) -> f32 {
    return select(gate * gradient, 0.0, gradient == 0.0);
}
