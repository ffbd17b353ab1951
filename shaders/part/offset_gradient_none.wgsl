// Slot `offset_gradient`: nobody wants it.
fn offset_gradient_begin(group: vec3<u32>, local: u32) {}

fn offset_gradient_tile(local: u32) {}

fn offset_gradient_part(part: u32, local: u32) {}

fn offset_gradient_end(local: u32) {}
