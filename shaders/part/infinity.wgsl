// Values that are not finite, behind a mask. 0 · ∞ is NaN, and an infinity in a row that a query does not see must not reach it.
// So tiles that hide something count such values as 0, and rows that do see one get it when all else is written. A weight that
// dropout leaves out sees nothing either, and it may be in any tile.
// Tested as bits, because a compiler may take every number for finite.
var<private> infinity_met: bool;

fn finite(value: vec4<f32>) -> vec4<bool> {
    return (bitcast<vec4<u32>>(value) & vec4(0x7f800000u)) != vec4(0x7f800000u);
}

// What a tile makes of four values, where it hides something.
fn without_infinity(value: vec4<f32>, hides: bool) -> vec4<f32> {
    var counted = value;
    if hides || DROPOUT {
        counted = finite_or_zero(value, true);
    }
    return counted;
}

fn finite_or_zero(value: vec4<f32>, asked: bool) -> vec4<f32> {
    let ordinary = finite(value) | vec4(!asked);
    infinity_met = infinity_met | !all(ordinary);
    return select(vec4(0.0), value, ordinary);
}

// Adds to four features of a written row the infinities that it sees.
fn add_infinities(i: u32, d: u32) {
    let row = out_row(i);
    for (var j = key_begin(); j < key_end(); j++) {
        if visible_key(j) == 0u || !sees(i, j) {
            continue;
        }
        let value = load_v(v_row(j), d);
        let ordinary = finite(value);
        if !all(ordinary) && kept(i, j) {
            write_features(row, d, read_out(row, d) + select(value, vec4(0.0), ordinary));
        }
    }
}
