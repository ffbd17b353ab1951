//! FIRE's weights as its authors name them.

use crate::{Bias, InputError};

/// The weights of FIRE as in the listing of the paper's appendix, from which comes the table of [`Bias::Fire`].
///
/// The defaults there are `c` 0.1, `init_l` 512, `l_multiplier` 1 and a hidden layer of 32 units.
#[derive(Clone, Copy, Debug)]
pub struct Fire<'a> {
    /// `c`.
    pub c: f32,
    /// `init_L`.
    pub init_l: f32,
    /// `L_multiplier`; L is its product with `init_L`.
    pub l_multiplier: f32,
    /// `mlp.0.weight`, `[width]`.
    pub w1: &'a [f32],
    /// `mlp.0.bias`, `[width]`.
    pub b1: &'a [f32],
    /// `mlp.2.weight`, `[H, width]`.
    pub w2: &'a [f32],
    /// `mlp.2.bias`, `[H]`.
    pub b2: &'a [f32],
}

impl Fire<'_> {
    /// The bias with this many units.
    ///
    /// # Errors
    /// Weights whose lengths do not fit one another.
    pub fn bias(&self) -> Result<Bias, InputError> {
        self.validate()?;
        Ok(Bias::Fire {
            width: u32::try_from(self.w1.len()).unwrap_or(u32::MAX),
        })
    }

    /// The table of [`Bias::Fire`], `[3 · width + 3, H]`.
    ///
    /// # Errors
    /// As [`Self::bias`].
    pub fn table(&self) -> Result<Vec<f32>, InputError> {
        self.validate()?;
        let (width, heads) = (self.w1.len(), self.b2.len());
        let shared = [self.c, self.init_l * self.l_multiplier];
        let first = shared.iter().chain(self.w1).chain(self.b1);
        let mut table: Vec<f32> = first
            .flat_map(|&value| std::iter::repeat_n(value, heads))
            .collect();
        for unit in 0..width {
            table.extend((0..heads).map(|head| self.w2[head * width + unit]));
        }
        table.extend(self.b2);
        Ok(table)
    }

    fn validate(&self) -> Result<(), InputError> {
        let (width, heads) = (self.w1.len(), self.b2.len());
        let weights = [
            ("b1", self.b1.len(), width),
            ("w2", self.w2.len(), heads * width),
        ];
        for (weight, found, expected) in weights {
            if found != expected {
                return Err(InputError::FireWeight {
                    weight,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }
}
