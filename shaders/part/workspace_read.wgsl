// Slot `workspace`, for who only reads it. Words, because a device may lose bits of integers that it takes for floats.
@group(0) @binding(25) var<storage, read> workspace: array<u32>;

fn workspace_number(at: u32) -> f32 {
    return bitcast<f32>(workspace[at]);
}

// The n-th of sums that `partial_sums.wgsl` has made.
fn sum_number(at: u32, n: u32) -> f32 {
    return workspace_number(at + 2u * n) + workspace_number(at + 2u * n + 1u);
}
