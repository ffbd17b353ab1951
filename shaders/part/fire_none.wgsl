// Slot `fire`: nothing is added.
fn fire_normalizer(i: u32) -> f32 {
    return 0.0;
}

fn fire_prepare() {}

fn fire_of(i: u32, j: u32, normalizer: f32) -> f32 {
    return 0.0;
}
