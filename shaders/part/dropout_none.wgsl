// Slot `dropout`: every weight is kept.
const DROPOUT = false;

fn kept_bits(i: u32, j: u32) -> u32 {
    return 0xffu;
}

fn kept(i: u32, j: u32) -> bool {
    return true;
}

fn keep_scale() -> f32 {
    return 1.0;
}
