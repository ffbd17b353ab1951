//! Powers of two of whole vectors.

use std::f32::consts::LN_2;

use pulp::{Arch, Simd, WithSimd};

/// (2^f − 1) / f on ±1/2, lowest power first: the polynomial through its values at the six Chebyshev nodes, 5e-9 from 2^f at most.
const COEFFICIENTS: [f32; 6] = [
    LN_2,
    0.240_226_5,
    0.055_503_57,
    0.009_618_083,
    0.001_339_086_3,
    0.000_154_531_63,
];
/// Added to a number, it leaves the nearest integer in the lowest bits of the sum.
const ROUNDING: f32 = 12_582_912.0;
/// Of the exponent in an f32.
const MANTISSA_BITS: u32 = 23;
/// The smallest power that is not denormal.
const LOWEST: f32 = -126.0;
/// The smallest power that is no finite number.
const HIGHEST: f32 = 128.0;

/// 2^x to 1.5e-7 of it, with f32's own rounding half of that: `2^n · p(x − n)` for the nearest integer n. Denormal powers are 0, powers past
/// f32 are infinite, and that of NaN is NaN.
#[inline(always)]
pub(super) fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Which of NaN and a number is the smaller depends on the processor, but no comparison with NaN holds.
    let highest = simd.splat_f32s(HIGHEST);
    let x = simd.select_f32s(simd.less_than_f32s(highest, x), highest, x);
    let rounding = simd.splat_f32s(ROUNDING);
    let shifted = simd.add_f32s(x, rounding);
    let f = simd.sub_f32s(x, simd.sub_f32s(shifted, rounding));
    let [lower @ .., highest] = COEFFICIENTS;
    let mut p = simd.splat_f32s(highest);
    for coefficient in lower.into_iter().rev() {
        p = simd.mul_add_e_f32s(p, f, simd.splat_f32s(coefficient));
    }
    p = simd.mul_add_e_f32s(p, f, simd.splat_f32s(1.0));
    let exponent = simd.wrapping_dyn_shl_u32s(
        simd.transmute_u32s_f32s(shifted),
        simd.splat_u32s(MANTISSA_BITS),
    );
    let power = simd.add_u32s(simd.transmute_u32s_f32s(p), exponent);
    simd.select_f32s(
        simd.less_than_f32s(x, simd.splat_f32s(LOWEST)),
        simd.splat_f32s(0.0),
        simd.transmute_f32s_u32s(power),
    )
}

/// Replaces every number x by 2^(x − base). f32 would round the base, and the difference by 2⁻²⁰ where that is 16; what either leaves is
/// made up for.
pub(super) fn powers_below(base: f64, values: &mut [f32]) {
    Arch::new().dispatch(Below { base, values });
}

struct Below<'a> {
    base: f64,
    values: &'a mut [f32],
}

impl WithSimd for Below<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        #[expect(clippy::cast_possible_truncation, reason = "rounding is made up for")]
        let [base, rest_of_base] = {
            let base = self.base as f32;
            [base, (self.base - f64::from(base)) as f32].map(|part| simd.splat_f32s(part))
        };
        let (vectors, rest) = S::as_mut_simd_f32s(self.values);
        for vector in vectors {
            *vector = power_below(simd, base, rest_of_base, *vector);
        }
        let powers = power_below(simd, base, rest_of_base, simd.partial_load_f32s(rest));
        simd.partial_store_f32s(rest, powers);
    }
}

/// With the error of the difference, by Knuth's two-sum, to first order.
#[inline(always)]
fn power_below<S: Simd>(simd: S, base: S::f32s, rest_of_base: S::f32s, x: S::f32s) -> S::f32s {
    let difference = simd.sub_f32s(x, base);
    let of_base = simd.sub_f32s(x, difference);
    let of_x = simd.add_f32s(difference, of_base);
    let error = simd.add_f32s(simd.sub_f32s(x, of_x), simd.sub_f32s(of_base, base));
    let error = simd.sub_f32s(error, rest_of_base);
    let power = exp2(simd, difference);
    let correction = simd.mul_f32s(simd.mul_f32s(power, simd.splat_f32s(LN_2)), error);
    // It is no number beside a power that is 0 or infinite.
    let holds = simd.less_than_f32s(simd.abs_f32s(correction), power);
    simd.select_f32s(holds, simd.add_f32s(power, correction), power)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the vectors of this machine, and number by number.
    fn both_ways(values: &[f32]) -> [Vec<f32>; 2] {
        let (mut vectors, mut scalars) = (values.to_vec(), values.to_vec());
        powers_below(0.0, &mut vectors);
        Below {
            base: 0.0,
            values: &mut scalars,
        }
        .with_simd(pulp::Scalar::new());
        [vectors, scalars]
    }

    #[test]
    fn is_within_the_stated_error() {
        // 1/4099 is no binary fraction, so that all parts of the polynomial's interval occur.
        let values: Vec<f32> = (-126 * 4099..128 * 4099)
            .map(|n: i32| {
                #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
                let x = (f64::from(n) / 4099.0) as f32;
                x
            })
            .collect();
        for found in both_ways(&values) {
            let errors = values.iter().zip(&found).map(|(&x, &found)| {
                let exact = f64::from(x).exp2();
                (f64::from(found) / exact - 1.0).abs()
            });
            let worst = errors.fold(0.0, f64::max);
            assert!(worst <= 1.5e-7, "{worst:e}");
        }
    }

    #[test]
    fn integers_have_exact_powers() {
        let values: Vec<f32> = (-126_i16..128).map(f32::from).collect();
        for found in both_ways(&values) {
            for (&x, &found) in values.iter().zip(&found) {
                assert!(found == x.exp2(), "2^{x} is not {found}");
            }
        }
    }

    #[test]
    fn the_ends_are_zero_infinity_and_not_a_number() {
        let values = [-126.5, -1e30, f32::NEG_INFINITY, 128.0, 1e30, f32::INFINITY];
        let expected = [0.0, 0.0, 0.0, f32::INFINITY, f32::INFINITY, f32::INFINITY];
        for found in both_ways(&values) {
            assert_eq!(found, expected);
        }
        for found in both_ways(&[f32::NAN; 19]) {
            assert!(found.iter().all(|power| power.is_nan()));
        }
    }
}
