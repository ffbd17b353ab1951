//! Dropout of attention weights, from numbers that depend on nothing but where a weight is.

use crate::ProblemError;

/// Dropout: a weight is left out with this probability, and the others are divided by what is left of 1. The log-sum-exp is that of
/// all weights.
///
/// Whether weight `(batch, head, i, j)` is kept follows from it and the seed, so that the backward pass, another split of the work and
/// the CPU leave out the same ones: key `j` compares the `j % 8`-th of eight numbers of 16 bits with the probability, which are the output of
/// Philox4x32-10 for the counter `(j / 8, i, head, batch)` and the key `seed`, lower words first. Rows of a packed batch count through.
///
/// Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (2011), for Philox.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// From 0 to below 1; counts in steps of 1/65536.
    pub probability: f32,
    /// Of the generator; another one for every step of a training.
    pub seed: u64,
}

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
/// Numbers of 16 bits.
const NUMBERS: u32 = 1 << 16;

impl Dropout {
    /// The factor of a weight `(batch, head, i, j)`, j being the position of the key: 0 where it is left out, else the inverse of the
    /// probability that it is kept.
    #[must_use]
    pub fn factor(&self, [batch, head, i, j]: [u32; 4]) -> f64 {
        let words = philox([j / 8, i, head, batch], self.key());
        let word = words[(j % 8 / 2) as usize];
        let number = if j.is_multiple_of(2) {
            word & 0xffff
        } else {
            word >> 16
        };
        if number < self.threshold() {
            0.0
        } else {
            self.keep_scale()
        }
    }

    /// The factors of weight `(batch, head, i, j)` and of those of the keys after it, at one call of the generator for eight.
    pub(crate) fn factors(&self, [batch, head, i, j]: [u32; 4]) -> impl Iterator<Item = f32> {
        let (key, threshold, scale) = (self.key(), self.threshold(), self.keep_scale_f32());
        (j / 8..=u32::MAX / 8)
            .flat_map(move |octet| philox([octet, i, head, batch], key))
            .flat_map(|word| [word & 0xffff, word >> 16])
            .map(move |number| if number < threshold { 0.0 } else { scale })
            .skip((j % 8) as usize)
    }

    /// Numbers of 16 bits below it leave a weight out.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a probability is within 0 and 1"
    )]
    pub(crate) fn threshold(&self) -> u32 {
        let steps = f64::from(self.probability) * f64::from(NUMBERS);
        (steps.round() as u32).min(NUMBERS - 1)
    }

    /// What a kept weight is multiplied by.
    pub(crate) fn keep_scale(&self) -> f64 {
        f64::from(NUMBERS) / f64::from(NUMBERS - self.threshold())
    }

    /// [`Self::keep_scale`] where weights are f32.
    #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
    pub(crate) fn keep_scale_f32(&self) -> f32 {
        self.keep_scale() as f32
    }

    /// The seed as the generator's key.
    #[expect(clippy::cast_possible_truncation, reason = "a half of it each")]
    pub(crate) const fn key(&self) -> [u32; 2] {
        [self.seed as u32, (self.seed >> 32) as u32]
    }

    pub(crate) fn validate(&self) -> Result<(), ProblemError> {
        if (0.0..1.0).contains(&self.probability) {
            Ok(())
        } else {
            Err(ProblemError::Dropout {
                found: self.probability,
            })
        }
    }
}

/// Philox4x32-10.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let [a, b] = [0, 1].map(|n| u64::from(MULTIPLIERS[n]) * u64::from(counter[2 * n]));
        #[expect(clippy::cast_possible_truncation, reason = "a half of it each")]
        let halves = |product: u64| [(product >> 32) as u32, product as u32];
        let ([a_high, a_low], [b_high, b_low]) = (halves(a), halves(b));
        counter = [
            b_high ^ counter[1] ^ key[0],
            b_low,
            a_high ^ counter[3] ^ key[1],
            a_low,
        ];
        key = [0, 1].map(|n| key[n].wrapping_add(WEYL[n]));
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers that come with the authors' Random123 library.
    #[test]
    fn philox_gives_the_known_answers() {
        let ones = u32::MAX;
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        for (counter, key, answer) in [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [ones; 4],
                [ones; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                pi,
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox(counter, key), answer);
        }
    }

    #[test]
    fn the_factors_of_a_run_are_those_of_its_weights() {
        let dropout = Dropout {
            probability: 0.4,
            seed: 0x0123_4567_89ab_cdef,
        };
        for first in [0, 3, 8, 21] {
            for (j, factor) in (first..first + 40).zip(dropout.factors([3, 1, 9, first])) {
                let exact = dropout.factor([3, 1, 9, j]);
                assert!((f64::from(factor) - exact).abs() < 1e-7, "{first}, {j}");
            }
        }
    }

    #[test]
    fn a_tenth_is_left_out_and_the_rest_makes_up_for_it() {
        let dropout = Dropout {
            probability: 0.1,
            seed: 7,
        };
        let factors: Vec<f64> = (0..40_000)
            .map(|n| dropout.factor([1, 2, n / 200, n % 200]))
            .collect();
        let left_out = factors.iter().filter(|&&factor| factor == 0.0).count();
        assert!((3800..4200).contains(&left_out), "{left_out} of 40000");
        let mean = factors.iter().sum::<f64>() / 40_000.0;
        assert!((mean - 1.0).abs() < 0.006, "{mean}");
    }
}
