// Rows of numbers of 16 bits, two to a word, the first in the lower half. Rows begin at words, and HEAD_DIM and VALUE_DIM are even.
@group(0) @binding(4) var<storage, read_write> out: array<u32>;  // [B, H, Nq, Dv]

alias Word = u32;

// The word that a number lies in, and the number in it.
fn word_of(at: u32) -> u32 {
    return at / 2u;
}

fn number(word: Word, at: u32) -> f32 {
    let both = unpack(word);
    return select(both.x, both.y, at % 2u == 1u);
}

// The words of four features from `d` on; one past the head repeats its last.
fn words(row: u32, d: u32, dim: u32, padded: bool) -> vec2<u32> {
    let two = vec2(d, d + 2u);
    if padded {
        return (vec2(row) + min(two, vec2(dim - 2u))) / 2u;
    }
    return (vec2(row) + two) / 2u;
}

fn read_out(row: u32, d: u32) -> vec4<f32> {
    let w = words(row, d, VALUE_DIM, VALUE_PADDED);
    return vec4(unpack(out[w.x]), unpack(out[w.y]));
}

fn write_features(row: u32, d: u32, value: vec4<f32>) {
    if d < VALUE_DIM { out[(row + d) / 2u] = pack(value.xy); }
    if d + 2u < VALUE_DIM { out[(row + d) / 2u + 1u] = pack(value.zw); }
}
