// Slot `workspace`, for who only reads it.
@group(0) @binding(25) var<storage, read> workspace: array<f32>;
