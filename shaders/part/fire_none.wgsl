// Slot `fire`: nothing is added.
const FIRE = false;
const segment_first = 0u;
const segment_last = 0u;

fn fire_normalizer(i: u32) -> f32 {
    return 0.0;
}

fn fire_prepare() {}

fn fire_bend(s: u32, i: u32, j: u32, normalizer: f32) -> f32 {
    return 0.0;
}

fn fire_of(i: u32, j: u32, normalizer: f32) -> f32 {
    return 0.0;
}
