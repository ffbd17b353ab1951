// Slot `storage` of `rope`: one tensor, rotated where it lies.
@group(0) @binding(3) var<storage, read_write> output: array<u32>; // [B, H, N, D]

fn read_word(at: u32) -> u32 {
    return output[at];
}

fn write_word(at: u32, word: u32) {
    output[at] = word;
}
