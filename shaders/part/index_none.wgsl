// Slot `index`: nothing is added.
fn index_run(i: u32) -> vec2<u32> {
    return vec2(0u);
}

fn index_of(i: u32, j: u32, slot: u32, run: vec2<u32>) -> f32 {
    return 0.0;
}
