// Slot `storage` of `rope`: from one tensor to another. Words, so that what is copied keeps its bits.
@group(0) @binding(2) var<storage, read> input: array<u32>;        // [B, H, N, D]
@group(0) @binding(3) var<storage, read_write> output: array<u32>; // [B, H, N, D]

fn read_word(at: u32) -> u32 {
    return input[at];
}

fn write_word(at: u32, word: u32) {
    output[at] = word;
}
