//! An attention problem, without its data: validated once, without a device.

use crate::{Bias, IndexFormat, Mask, ProblemError, Shape, Thresholds};

/// What the scores `q · k` are multiplied by; the bias is added after it, unscaled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// 1, as T5 has it.
    Unit,
    /// `1 / √head_dim`, as most other transformers have it.
    InverseSqrt,
    /// Any finite number.
    Value(f32),
}

/// A validated attention problem: `O = softmax(scale · Q Kᵀ + bias) V` over the visible keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    shape: Shape,
    scale: f32,
    bias: Bias,
    thresholds: Option<Thresholds>,
    mask: Mask,
    query_offset: i32,
}

/// What a problem needs at the least, whatever the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations of the two products over the pairs that `causal` leaves: 2 for a multiply-add.
    pub flops: u64,
    /// Bytes of q, k, v and the output, each moved once.
    pub bytes: u64,
}

/// The magnitude that offsets must not exceed, so that 32 signed bits hold every sum of positions.
const MAX_OFFSET: i64 = 1 << 30;

impl Problem {
    /// Starts a problem of this shape: scale `1 / √head_dim`, no bias, every key visible, query offset 0.
    pub const fn builder(shape: Shape) -> ProblemBuilder {
        ProblemBuilder {
            shape,
            scale: Scale::InverseSqrt,
            bias: Bias::None,
            mask: Mask::NONE,
            query_offset: 0,
        }
    }

    /// The sizes of the tensors.
    #[must_use]
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The factor of the scores.
    #[must_use]
    pub const fn scale(&self) -> f32 {
        self.scale
    }

    /// What is added to the scores.
    #[must_use]
    pub const fn bias(&self) -> Bias {
        self.bias
    }

    /// The bucket thresholds, where the bias has buckets.
    #[must_use]
    pub const fn thresholds(&self) -> Option<&Thresholds> {
        self.thresholds.as_ref()
    }

    /// Which keys are visible.
    #[must_use]
    pub const fn mask(&self) -> Mask {
        self.mask
    }

    /// The position of query row 0; for a decoding step `Nk − Nq`.
    #[must_use]
    pub const fn query_offset(&self) -> i32 {
        self.query_offset
    }

    /// Operations and compulsory bytes.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let shape = &self.shape;
        let pairs: u64 = if self.mask.causal {
            let (first, keys) = (i64::from(self.query_offset) + 1, i64::from(shape.k_len));
            (0..i64::from(shape.q_len))
                .map(|i| (first + i).clamp(0, keys).unsigned_abs())
                .sum()
        } else {
            u64::from(shape.q_len) * u64::from(shape.k_len)
        };
        let heads = u64::from(shape.batch) * u64::from(shape.heads);
        Cost {
            flops: 4 * heads * pairs * u64::from(shape.head_dim),
            bytes: 4 * 2 * (shape.q_elements() as u64 + shape.kv_elements() as u64),
        }
    }
}

/// Collects the choices that make a [`Problem`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ProblemBuilder {
    shape: Shape,
    scale: Scale,
    bias: Bias,
    mask: Mask,
    query_offset: i32,
}

impl ProblemBuilder {
    /// Sets the factor of the scores.
    pub const fn scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// Sets what is added to the scores.
    pub const fn bias(mut self, bias: Bias) -> Self {
        self.bias = bias;
        self
    }

    /// Sets which keys are visible.
    pub const fn mask(mut self, mask: Mask) -> Self {
        self.mask = mask;
        self
    }

    /// Sets the position of query row 0.
    pub const fn query_offset(mut self, query_offset: i32) -> Self {
        self.query_offset = query_offset;
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// Sizes, buckets, scale or offsets that no kernel could serve.
    pub fn build(self) -> Result<Problem, ProblemError> {
        self.shape.validate()?;
        self.validate_offsets()?;
        let scale = self.resolve_scale()?;
        let thresholds = match self.bias {
            Bias::None => None,
            Bias::Indexed { rows, format } => {
                validate_rows(rows, format)?;
                None
            }
            Bias::Relative(buckets) => Some(buckets.thresholds()?),
        };
        Ok(Problem {
            shape: self.shape,
            scale,
            bias: self.bias,
            thresholds,
            mask: self.mask,
            query_offset: self.query_offset,
        })
    }

    fn validate_offsets(&self) -> Result<(), ProblemError> {
        let first = i64::from(self.query_offset);
        let last = first + i64::from(self.shape.q_len);
        let farthest = first
            .abs()
            .max(last.abs())
            .max(i64::from(self.shape.k_len) - first);
        if farthest > MAX_OFFSET {
            return Err(ProblemError::QueryOffset {
                found: first,
                maximum: MAX_OFFSET,
            });
        }
        Ok(())
    }

    fn resolve_scale(&self) -> Result<f32, ProblemError> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "validate() keeps head_dim within 256"
        )]
        let scale = match self.scale {
            Scale::Unit => 1.0,
            Scale::InverseSqrt => (self.shape.head_dim as f32).sqrt().recip(),
            Scale::Value(value) => value,
        };
        if scale.is_finite() {
            Ok(scale)
        } else {
            Err(ProblemError::Scale { found: scale })
        }
    }
}

/// A table has at least a row, and bytes name at most 256.
const fn validate_rows(rows: u32, format: IndexFormat) -> Result<(), ProblemError> {
    let maximum = match format {
        IndexFormat::U8 => 256,
        IndexFormat::U32 => Bias::MAX_TABLE_ROWS,
    };
    if rows == 0 || rows > maximum {
        return Err(ProblemError::TableRows {
            found: rows,
            maximum,
        });
    }
    Ok(())
}
