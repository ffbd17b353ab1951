// Slot `workspace`, for who leaves sums there. Words, because a device may lose bits of integers that it takes for floats.
@group(0) @binding(25) var<storage, read_write> workspace: array<u32>;

fn workspace_number(at: u32) -> f32 {
    return bitcast<f32>(workspace[at]);
}

fn set_workspace(at: u32, value: f32) {
    workspace[at] = bitcast<u32>(value);
}

fn add_to_workspace(at: u32, value: f32) {
    set_workspace(at, workspace_number(at) + value);
}
