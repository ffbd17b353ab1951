//! Rotary position embedding: which features turn together, and how fast.

use crate::{ProblemError, Shape};

/// Rotary position embedding: pair n of the features of a row turns by `position · inverse_frequencies()[n]` radians.
///
/// Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding" (2021).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// The rotated features, even, the first of each row; those behind them stay as they are.
    pub dimensions: u32,
    /// The base of the geometric sequence of frequencies, above 1; 10,000 in the paper.
    pub base: f64,
    /// How the frequencies are changed for longer sequences than the model was trained on.
    pub scaling: RopeScaling,
    /// Which features form a pair.
    pub pairing: Pairing,
}

/// Which features form pair n of `dimensions / 2`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pairing {
    /// Features 2n and 2n + 1, as in the paper and in GPT-J.
    Interleaved,
    /// Features n and n + dimensions / 2, as in GPT-NeoX and in Hugging Face's models.
    #[default]
    HalfSplit,
}

/// How the frequencies `base^(−2n / dimensions)` are changed for longer sequences. A factor is the ratio of the new length
/// to that of the training, 1 or more.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum RopeScaling {
    /// Not at all.
    #[default]
    None,
    /// Position interpolation: every frequency divided by the factor.
    ///
    /// Source: Chen et al., "Extending Context Window of Large Language Models via Positional Interpolation" (2023).
    Linear {
        /// The ratio of lengths.
        factor: f64,
    },
    /// NTK-aware: the base times `factor^(dimensions / (dimensions − 2))`, which divides the last frequency by the factor
    /// and keeps the first. Needs 4 dimensions.
    ///
    /// Source: Peng et al., "YaRN: Efficient Context Window Extension of Large Language Models" (2023), definition 1.
    Ntk {
        /// The ratio of lengths.
        factor: f64,
    },
    /// YaRN: pairs that make more than `beta_fast` turns over the original length keep their frequency, those that make
    /// fewer than `beta_slow` have it divided by the factor, and a ramp lies between; sine and cosine are multiplied by an
    /// attention factor.
    ///
    /// Source: Peng et al. (2023), section 3.2 to 3.4, with the ramp of the authors' code and of Hugging Face's
    /// `_compute_yarn_parameters`: linear in n, from a whole n to a whole n.
    Yarn {
        /// The ratio of lengths.
        factor: f64,
        /// The length of the training, in positions.
        original_length: u32,
        /// Turns from which a frequency is kept; 32 in the paper.
        beta_fast: f64,
        /// Turns below which a frequency is divided; 1 in the paper.
        beta_slow: f64,
        /// What sine and cosine are multiplied by; `0.1 · ln(factor) + 1` where it is not given.
        attention_factor: Option<f64>,
    },
}

impl RopeScaling {
    /// YaRN with the parameters of the paper: 32 and 1 turns, attention factor `0.1 · ln(factor) + 1`.
    #[must_use]
    pub const fn yarn(factor: f64, original_length: u32) -> Self {
        Self::Yarn {
            factor,
            original_length,
            beta_fast: 32.0,
            beta_slow: 1.0,
            attention_factor: None,
        }
    }
}

impl Rope {
    /// Base 10,000, frequencies as they are, features paired across halves.
    #[must_use]
    pub const fn new(dimensions: u32) -> Self {
        Self {
            dimensions,
            base: 10_000.0,
            scaling: RopeScaling::None,
            pairing: Pairing::HalfSplit,
        }
    }

    /// Radians a position of each of the `dimensions / 2` pairs, not above 1.
    ///
    /// # Errors
    /// As [`Self::validate`], for rows of [`Shape::MAX_HEAD_DIM`] features.
    pub fn inverse_frequencies(&self) -> Result<Vec<f64>, ProblemError> {
        self.validate(Shape::MAX_HEAD_DIM)?;
        Ok(self.radians())
    }

    /// What sine and cosine are multiplied by: 1 but for YaRN.
    #[must_use]
    pub fn attention_factor(&self) -> f64 {
        match self.scaling {
            RopeScaling::Yarn {
                factor,
                attention_factor,
                ..
            } => attention_factor.unwrap_or_else(|| 0.1 * factor.ln() + 1.0),
            _ => 1.0,
        }
    }

    /// Checks that rows of this many features can be rotated.
    ///
    /// # Errors
    /// Rotated dimensions that are odd, none, or more than the features; a base that is not a finite number above 1, as it
    /// is or scaled; a factor below 1; turns, an original length or an attention factor that make no ramp.
    pub fn validate(&self, head_dim: u32) -> Result<(), ProblemError> {
        let minimum = match self.scaling {
            RopeScaling::Ntk { .. } => 4,
            _ => 2,
        };
        self.validate_dimensions(minimum, 2, head_dim)?;
        self.validate_scaling()?;
        let scaled = self.scaled_base();
        for base in [self.base, scaled] {
            if !(base > 1.0 && base.is_finite()) {
                return Err(ProblemError::RopeBase { found: base });
            }
        }
        Ok(())
    }

    pub(crate) fn validate_dimensions(
        &self,
        minimum: u32,
        multiple: u32,
        maximum: u32,
    ) -> Result<(), ProblemError> {
        let found = self.dimensions;
        if !(minimum..=maximum).contains(&found) || !found.is_multiple_of(multiple) {
            return Err(ProblemError::RopeDimensions {
                found,
                minimum,
                multiple,
                maximum,
            });
        }
        Ok(())
    }

    fn validate_scaling(&self) -> Result<(), ProblemError> {
        let (RopeScaling::Linear { factor }
        | RopeScaling::Ntk { factor }
        | RopeScaling::Yarn { factor, .. }) = self.scaling
        else {
            return Ok(());
        };
        if !(factor >= 1.0 && factor.is_finite()) {
            return Err(ProblemError::RopeFactor { found: factor });
        }
        let RopeScaling::Yarn {
            original_length,
            beta_fast,
            beta_slow,
            attention_factor,
            ..
        } = self.scaling
        else {
            return Ok(());
        };
        if !(0.0 < beta_slow && beta_slow < beta_fast && beta_fast.is_finite()) {
            return Err(ProblemError::RopeTurns {
                beta_slow,
                beta_fast,
            });
        }
        // The first pair, one radian a position, must reach the slow end of the ramp.
        let minimum = beta_slow * std::f64::consts::TAU;
        if f64::from(original_length) < minimum {
            return Err(ProblemError::RopeOriginalLength {
                found: original_length,
                minimum,
            });
        }
        // Kernels multiply by it in f32.
        let numbers = f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX);
        match attention_factor {
            Some(found) if !numbers.contains(&found) => {
                Err(ProblemError::RopeAttentionFactor { found })
            }
            _ => Ok(()),
        }
    }

    /// The base that the frequencies are powers of.
    fn scaled_base(&self) -> f64 {
        let dimensions = f64::from(self.dimensions);
        match self.scaling {
            RopeScaling::Ntk { factor } => self.base * factor.powf(dimensions / (dimensions - 2.0)),
            _ => self.base,
        }
    }

    /// [`Self::inverse_frequencies`] of what has been validated.
    pub(crate) fn radians(&self) -> Vec<f64> {
        let base = self.scaled_base();
        let dimensions = f64::from(self.dimensions);
        (0..self.dimensions / 2)
            .map(|n| {
                let frequency = base.powf(-2.0 * f64::from(n) / dimensions);
                match self.scaling {
                    RopeScaling::Linear { factor } => frequency / factor,
                    RopeScaling::Yarn {
                        factor,
                        original_length,
                        beta_fast,
                        beta_slow,
                        ..
                    } => {
                        let ramp = self.ramp(n, original_length, [beta_fast, beta_slow]);
                        frequency * (1.0 - ramp) + frequency / factor * ramp
                    }
                    _ => frequency,
                }
            })
            .collect()
    }

    /// How far pair n is interpolated, from 0 at the fast end of the ramp to 1 at the slow end.
    fn ramp(&self, n: u32, original_length: u32, [fast, slow]: [f64; 2]) -> f64 {
        let dimensions = f64::from(self.dimensions);
        // The n, not a whole one, whose pair makes this many turns over the original length.
        let pair = |turns: f64| {
            let length = f64::from(original_length) / (turns * std::f64::consts::TAU);
            dimensions * length.ln() / (2.0 * self.base.ln())
        };
        let first = pair(fast).floor().max(0.0);
        let last = pair(slow).ceil().min(dimensions - 1.0);
        // A step where the ends meet; where the first lies past all pairs, none is interpolated.
        let length = (last - first).max(0.001);
        ((f64::from(n) - first) / length).clamp(0.0, 1.0)
    }

    /// Turns a position of each pair, in units of 2^-64 and rounded to the nearest: products with positions lose only
    /// whole turns, at the top.
    pub(crate) fn turns(&self) -> Vec<u64> {
        self.radians().into_iter().map(turns).collect()
    }
}

/// ⌊2^77 / 2π⌋.
const INVERSE_TURN: u128 = 0x0517_cc1b_7272_20a9_4fe1;

/// Radians, 0 to 1, in turns of 2^-64, to the nearest.
fn turns(radians: f64) -> u64 {
    // The number is mantissa · 2^-shift; with 53 bits, times 75, the product fits.
    let bits = radians.to_bits();
    let exponent = bits >> 52;
    let (mantissa, shift) = match exponent {
        0 => (bits, 1074),
        _ => (bits & ((1 << 52) - 1) | 1 << 52, 1075 - exponent),
    };
    let product = u128::from(mantissa) * INVERSE_TURN;
    let drop = u32::try_from(shift)
        .unwrap_or(u32::MAX)
        .saturating_add(77 - 64);
    let half = product.checked_shr(drop - 1).unwrap_or(0);
    u64::try_from(half.div_ceil(2)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::turns;

    /// `round(2^64 · r / 2π)` with 60 digits, by mpmath.
    #[test]
    fn turns_are_exact() {
        for (radians, expected) in [
            (0.0, 0),
            (1.0, 2_935_890_503_282_001_226),
            (1.0_f64.next_down(), 2_935_890_503_282_000_901),
            (0.1, 293_589_050_328_200_139),
            (1.0 / 3.0, 978_630_167_760_667_021),
            (1e-4, 293_589_050_328_200),
            (1e-18, 3),
            (f64::from_bits(1), 0),
        ] {
            assert_eq!(turns(radians), expected, "{radians}");
        }
    }
}
