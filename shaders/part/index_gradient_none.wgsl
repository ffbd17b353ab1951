// Slot `index_gradient`: there is no index table, or nobody wants its gradient.
fn index_gradient(i: u32, j: u32, ds: f32) {}
