// Rows of numbers of 32 bits.
@group(0) @binding(4) var<storage, read_write> out: array<f32>;  // [B, H, Nq, Dv]

alias Word = f32;

// The word that a number lies in, and the number in it.
fn word_of(at: u32) -> u32 {
    return at;
}

fn number(word: Word, at: u32) -> f32 {
    return word;
}

// Where four features from `d` on lie; those past the head repeat its last, so that nothing is read past a row.
fn features(row: u32, d: u32, dim: u32, padded: bool) -> vec4<u32> {
    let four = vec4(d, d + 1u, d + 2u, d + 3u);
    if padded {
        return vec4(row) + min(four, vec4(dim - 1u));
    }
    return vec4(row) + four;
}

fn read_out(row: u32, d: u32) -> vec4<f32> {
    let f = features(row, d, VALUE_DIM, VALUE_PADDED);
    return vec4(out[f.x], out[f.y], out[f.z], out[f.w]);
}

fn write_features(row: u32, d: u32, value: vec4<f32>) {
    if d < VALUE_DIM { out[row + d] = value.x; }
    if d + 1u < VALUE_DIM { out[row + d + 1u] = value.y; }
    if d + 2u < VALUE_DIM { out[row + d + 2u] = value.z; }
    if d + 3u < VALUE_DIM { out[row + d + 3u] = value.w; }
}
