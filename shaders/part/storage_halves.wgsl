// Slot `storage`: q, k, v and the output in f16, which the products of matrices take as they are.
@group(0) @binding(1) var<storage, read> q: array<vec2<f16>>;    // [B, H, Nq, D]
@group(0) @binding(2) var<storage, read> k: array<vec2<f16>>;    // [B, Hkv, Nk, D]
@group(0) @binding(3) var<storage, read> v: array<vec2<f16>>;    // [B, Hkv, Nk, Dv]

// Four features from `d` on, of which those past the head are 0.
fn half_within(d: u32, values: vec4<f16>, dim: u32, padded: bool) -> vec4<f16> {
    if padded {
        return select(vec4<f16>(), values, vec4(d, d + 1u, d + 2u, d + 3u) < vec4(dim));
    }
    return values;
}

fn half_q(row: u32, d: u32) -> vec4<f16> {
    let w = words(row, d, HEAD_DIM, PADDED);
    return half_within(d, vec4(q[w.x], q[w.y]), HEAD_DIM, PADDED);
}

fn half_k(row: u32, d: u32) -> vec4<f16> {
    let w = words(row, d, HEAD_DIM, PADDED);
    return half_within(d, vec4(k[w.x], k[w.y]), HEAD_DIM, PADDED);
}

fn half_v(row: u32, d: u32) -> vec4<f16> {
    let w = words(row, d, VALUE_DIM, VALUE_PADDED);
    return half_within(d, vec4(v[w.x], v[w.y]), VALUE_DIM, VALUE_PADDED);
}

// As `without_infinity`.
fn half_without_infinity(values: vec4<f16>, hides: bool) -> vec4<f16> {
    var counted = values;
    if hides || DROPOUT {
        counted = vec4<f16>(finite_or_zero(vec4<f32>(values)));
    }
    return counted;
}

fn read_q(row: u32, d: u32) -> vec4<f32> {
    return vec4<f32>(half_q(row, d));
}

fn read_k(row: u32, d: u32) -> vec4<f32> {
    return vec4<f32>(half_k(row, d));
}

fn read_v(row: u32, d: u32) -> vec4<f32> {
    return vec4<f32>(half_v(row, d));
}
