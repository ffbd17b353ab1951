// Slot `fire_gradient`: there is no FIRE, or nobody wants its gradient.
fn fire_gradient(i: u32, j: u32, ds: f32) {}

fn fire_gradient_end() {}
