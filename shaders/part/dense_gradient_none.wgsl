// Slot `dense_gradient`: there is no dense bias, or nobody wants its gradient here.
fn dense_gradient(i: u32, j: u32, ds: f32) {}
