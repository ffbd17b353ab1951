// Slot `lse`: the natural logarithm of each row's sum of exponentials.
@group(0) @binding(5) var<storage, read_write> lse: array<f32>; // [B, H, Nq]

fn write_lse(row: u32, value: f32) {
    lse[row] = value;
}
