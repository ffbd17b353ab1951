// Slot `gate_gradient`: Σ over keys of dS times the bias by offset that the gate multiplies.
@group(0) @binding(26) var<storage, read_write> dgate: array<f32>; // [B, H, Nq]

fn gate_gradient(r: u32, i: u32, j: u32, ds: f32) {
    // A bias that the mask hides may be anything.
    let sum = fma(ds, offset_bias(i32(j) - i32(i) - place.shift), row_numbers[r]);
    row_numbers[r] = select(sum, row_numbers[r], ds == 0.0);
}

fn gate_gradient_end(local: u32) {
    add_up_rows(local);
    for (var r = 0u; r < ROWS; r++) {
        let i = place.q_first + own_row(r);
        if writes_row() && i < row_limit() {
            let at = (place.batch * params.heads + place.head) * params.q_len + i;
            dgate[at] = select(0.0, dgate[at], backward.adds != 0u) + row_numbers[r] * LN_2;
        }
    }
}
