// Slot `gate_gradient`: there is no gate, or nobody wants its gradient.
fn gate_gradient(r: u32, i: u32, j: u32, ds: f32) {}

fn gate_gradient_end(local: u32) {}
