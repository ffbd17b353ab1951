//! Which numbers a parameter of a head may be.

use std::fmt;

/// The numbers for which the formula has a value at every offset. The papers ask for more, but learning may leave their ranges on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Factors of the bias: an infinite one times distance 0 is no number.
    Finite,
    /// `a` of logarithmic KERPLE: `1 + a·|offset|` has a logarithm.
    NotNegative,
    /// The exponent of KERPLE's power: distance 0 has no power below, and two at 0.
    Positive,
}

impl Allowed {
    pub(crate) fn has(self, value: f32) -> bool {
        value.is_finite()
            && match self {
                Self::Finite => true,
                Self::NotNegative => value >= 0.0,
                Self::Positive => value > 0.0,
            }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finite => "finite numbers",
            Self::NotNegative => "finite numbers from 0 on",
            Self::Positive => "finite numbers above 0",
        })
    }
}
