// Slot `workspace`, for who leaves sums there.
@group(0) @binding(25) var<storage, read_write> workspace: array<f32>;
