// Values that are not finite, behind a mask. 0 · ∞ is NaN, and an infinity in a row that a query does not see must not reach it.
// So tiles that hide something count such values as another number, and rows that do see one get it when all else is written. A weight that
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
        counted = finite_or_zero(value);
    }
    return counted;
}

fn finite_or_zero(value: vec4<f32>) -> vec4<f32> {
    let ordinary = finite(value);
    infinity_met = infinity_met | !all(ordinary);
    return select(vec4(0.0), value, ordinary);
}

// As `without_infinity`, but with neither branch nor comparison, whose results some drivers keep for all values of a tile before they
// multiply the first: what is not finite counts as the largest finite number with its sign. Read as integers, positive numbers are in
// their order, and negative ones too, above all of these where there is no sign.
var<private> infinity_bits: u32; // not 0 where a value was not finite

fn bounded(value: vec4<f32>, hides: bool) -> vec4<f32> {
    let asked = hides || DROPOUT;
    let positive = min(bitcast<vec4<i32>>(value), vec4(select(0x7fffffff, 0x7f7fffff, asked)));
    let both = min(bitcast<vec4<u32>>(positive), vec4(select(0xffffffffu, 0xff7fffffu, asked)));
    let changed = bitcast<vec4<u32>>(value) ^ both;
    infinity_bits |= (changed.x | changed.y) | (changed.z | changed.w);
    return bitcast<vec4<f32>>(both);
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
