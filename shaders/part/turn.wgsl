// Sine and cosine of position · frequency, to 2e-7 at every position of 32 bits.
//   whole turns fall off the top of the product, in integers:  t = round(2^32 · frac(position · turns))
//   quadrant = round(t / 2^30),  a = (t − quadrant · 2^30) · 2π / 2^32 within ±π/4,  then a polynomial in a
// In f32 the product would be wrong by 4e-3 at position 65,536, and devices promise 2^-11 for their own sine.

// position · turn less its whole turns, to the nearest 2^-32; `turn` is in units of 2^-32 and of 2^-64.
fn fraction_of_turn(turn: vec2<u32>, position: i32) -> u32 {
    let distance = select(u32(position), 0u - u32(position), position < 0);
    let half = (turn.y * distance) >> 31u;
    let fraction = turn.x * distance + upper_product(turn.y, distance) + half;
    return select(fraction, 0u - fraction, position < 0);
}

// Of x · π/4 for x within ±1: near-minimax in x², found with Chebyshev nodes, and π/4 in two parts.
fn polynomials(x: f32) -> vec2<f32> {
    let z = x * x;
    let s = z * (-0.08074543625 + z * (2.4900068529e-3 - z * 3.5954290070e-5)) - 2.4276524967e-8;
    let c = -0.30842512846 + z * (0.01585433818 + z * (-3.2596138772e-4 + z * 3.5419527649e-6));
    return vec2(x * 0.78539818525 + x * s, 1.0 + z * c);
}

fn sine_and_cosine(fraction: u32) -> vec2<f32> {
    let quadrant = (fraction + 0x20000000u) >> 30u;
    let rest = bitcast<i32>(fraction - (quadrant << 30u));
    let p = polynomials(f32(rest) * 0x1p-29);
    let turned = select(p, p.yx, quadrant % 2u == 1u);
    let negative = vec2(quadrant >= 2u, quadrant == 1u || quadrant == 2u);
    return select(turned, -turned, negative);
}
