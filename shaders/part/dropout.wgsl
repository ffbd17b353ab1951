// Slot `dropout`: a weight is left out where its number is below a threshold; `src/dropout.rs` says the same.
//   eight numbers of 16 bits = Philox4x32-10 of the counter (j / 8, i, head, batch) and the seed, and j % 8 picks one; j is the position
//   a round: (x, y, z, w) → (upper(B z) ^ y ^ key.x, lower(B z), upper(A x) ^ w ^ key.y, lower(A x)), key += WEYL
const DROPOUT = true;
const PHILOX_A = 0xd2511f53u;
const PHILOX_B = 0xcd9e8d57u;
const WEYL = vec2(0x9e3779b9u, 0xbb67ae85u);

fn philox(counter: vec4<u32>) -> vec4<u32> {
    var c = counter;
    var key = params.dropout_key;
    for (var round = 0u; round < 10u; round++) {
        let upper = vec2(upper_product(PHILOX_B, c.z), upper_product(PHILOX_A, c.x));
        c = vec4(upper.x ^ c.y ^ key.x, PHILOX_B * c.z, upper.y ^ c.w ^ key.y, PHILOX_A * c.x);
        key += WEYL;
    }
    return c;
}

// Every second bit: whether a number keeps its weight. One by one, because OpenGL before 4.5 selects no vectors of integers.
fn keeping(numbers: vec4<u32>) -> u32 {
    let keeps = numbers >= vec4(params.dropout_threshold);
    return select(0u, 1u, keeps.x) | select(0u, 4u, keeps.y) | select(0u, 16u, keeps.z) | select(0u, 64u, keeps.w);
}

// Bit n is set where the weight of key 8 · octet + n is kept.
fn kept_octet(i: u32, octet: u32) -> u32 {
    let words = philox(vec4(octet, i, place.head, place.batch));
    return keeping(words & vec4(0xffffu)) | (keeping(words >> vec4(16u)) << 1u);
}

// Bit n is set where the weight of key j + n is kept, of eight. A loop, because some drivers run every branch, but leave a loop.
fn kept_bits(i: u32, j: u32) -> u32 {
    let first = j + params.key_offset;
    let shift = first % 8u;
    let octets = select(1u, 2u, shift != 0u);
    var bits = 0u;
    for (var n = 0u; n < octets; n++) {
        bits |= kept_octet(i, first / 8u + n) << (8u * n);
    }
    return (bits >> shift) & 0xffu;
}

// Whether one weight is kept; never more than one call of the generator.
fn kept(i: u32, j: u32) -> bool {
    let at = j + params.key_offset;
    return ((kept_octet(i, at / 8u) >> (at % 8u)) & 1u) != 0u;
}

// What a kept weight is multiplied by.
fn keep_scale() -> f32 {
    return params.keep_scale;
}
