// The distance to the power of p. The logarithm of the distance comes in two parts, since pow() may be as inexact as exp2(p · log2(d)) in
// single precision, whose error grows with the exponent:
//   |offset|^p = 2^k · 2^f,  k + f = p · (high + low),  |f| ≤ 1/2
@group(0) @binding(1) var<storage, read> logarithms: array<vec2<f32>>; // [radius + 1]: log2 of the distance, and what f32 leaves of it

const LN_2 = 0.6931471805599453;

// 2^f − 1 for |f| ≤ 1/2, by Taylor's series of e^(f · ln 2) to the seventh power: 6e-9 is left.
fn exp2_fraction(f: f32) -> f32 {
    let t = f * LN_2;
    return t + t * t / 2.0 * (1.0 + t / 3.0 * (1.0 + t / 4.0 * (1.0 + t / 5.0 * (1.0 + t / 6.0 * (1.0 + t / 7.0)))));
}

fn distance_to(p: f32, distance: i32) -> vec2<f32> {
    let logarithm = logarithms[distance];
    let exponent = scaled(logarithm, p);
    let k = round(exponent.x);
    let fraction = exp2_fraction((exponent.x - k) + exponent.y);
    let power = 1.0 + fraction;
    return ldexp(vec2(power, fraction - (power - 1.0)), vec2(i32(clamp(k, -126.0, 127.0))));
}
