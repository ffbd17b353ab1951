//! What is added to the scaled scores.

use crate::{Layout, ProblemError, RelativeBuckets};

/// What is added to the scaled scores. Offsets are `j + key_offset − i − query_offset`, `|o|` is the distance; a table is `[rows, H]`.
///
/// A problem may add several of these: [`crate::ProblemBuilder::add_bias`]. Their tables then lie one behind the other in one
/// table, in the order of the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bias {
    /// Nothing.
    None,
    /// T5: `table[bucket(o)][head]`; the table is `[num_buckets, H]`.
    Relative(RelativeBuckets),
    /// A learned number for each offset, shared past the ends: `table[clamp(o, −R, R) + R][head]`; the table is `[2R + 1, H]`,
    /// its row R is offset 0.
    ///
    /// Source: Shaw et al., "Self-Attention with Relative Position Representations" (2018), for the clipping; with a scalar
    /// for each offset as in Swin and the shared per-offset bias of later models.
    PerOffset {
        /// R.
        max_offset: u32,
    },
    /// `−slope[head] · |o|`; the table is the slopes, `[1, H]`. [`alibi_slopes`] gives those of the paper. Under a causal mask
    /// this is the paper's `slope · (j − i)`, without it the symmetric form.
    ///
    /// Source: Press et al., "Train Short, Test Long: Attention with Linear Biases" (2022).
    Alibi,
    /// `−p · ln(1 + a · |o|)` or `−a · |o|^p`; the table is `[2, H]`, p in row 0 and a in row 1, both positive.
    ///
    /// Source: Chi et al., "KERPLE: Kernelized Relative Positional Embedding for Length Extrapolation" (2022), equations of the
    /// logarithmic and the power variant with `r1 = p, r2 = a`, and `r1 = a, r2 = p`.
    Kerple(Kerple),
    /// `H / (8 (head + 1)) · Σ cos(o · 10000^(−2n / dimensions))` over `n` in `0 .. dimensions / 2`, without parameters.
    ///
    /// Source: Chi et al., "Dissecting Transformer Length Extrapolation via the Lens of Receptive Field Analysis" (2023), with
    /// the compression ratio of each head by ALiBi's rule.
    Sandwich {
        /// The width of the sinusoidal embedding whose inner products these are, even; 128 in the paper.
        dimensions: u32,
    },
    /// FIRE: `f(ψ(|o|) / (ψ(max(|L|, p)) + 1e-6))` with `ψ(x) = ln(|c · x| + 1)`, p the position of the query, and
    /// `f(x) = Σ w2 · max(0, w1 · x + b1) + b2` over `width` units. The table is `[3 · width + 3, H]`: a row of c, one of L, `width` rows of
    /// w1, as many of b1 and of w2, and one of b2. [`crate::Fire`] makes it from the weights of the paper, of which a head
    /// has w2 and b2 for itself.
    ///
    /// Source: Li et al., "Functional Interpolation for Relative Positions Improves Long Context Transformers" (2024), equation 4
    /// and the listing in its appendix.
    Fire {
        /// Units of the hidden layer; 32 in the paper.
        width: u32,
    },
    /// `Σ table[m · rows + index[m][i][j]][head]` over the matrices m, with the caller's indices, `[matrices, Nq, Nk]` or
    /// `[matrices, B, Nq, Nk]`; the table is `[matrices · rows, H]`. An index of `rows` or more adds 0. For what is no function of the
    /// offset: windows of an image (Swin, BEiT), boxes on a page (LayoutLMv3 and UDOP, one matrix for each axis), blocks (LongT5).
    Indexed {
        /// Rows of the table of one matrix.
        rows: u32,
        /// How many matrices there are, each with a table of its own; mostly 1.
        matrices: u32,
        /// Whether each sequence of the batch has indices of its own, or all share them.
        each_sequence: bool,
        /// How the indices lie in device memory.
        format: IndexFormat,
    },
    /// A number for each score, `[B, H, Nq, Nk]` with these strides; a stride of 0 shares it over batch, heads or queries. What is
    /// below −2.3e38, as the least number of a type is, hides its score as −∞ does, also where it is all that a query has.
    Dense(Layout),
}

/// The kinds of bias that kernels tell apart; a sum may have several of the first, and one of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    None,
    /// A function of head and offset.
    Offset,
    Fire,
    Index,
    Dense,
}

/// Which of KERPLE's kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kerple {
    /// `−p · ln(1 + a · |o|)`.
    Log,
    /// `−a · |o|^p`.
    Power,
}

impl Bias {
    /// The most rows that an indexed or per-offset table may have.
    pub const MAX_TABLE_ROWS: u32 = 1 << 20;
    /// The widest embedding behind [`Self::Sandwich`].
    pub const MAX_DIMENSIONS: u32 = 4096;
    /// The most units of FIRE's hidden layer.
    pub const MAX_FIRE_WIDTH: u32 = 256;

    /// Rows of the learned table, where there is one; saturates for a bias that [`crate::ProblemBuilder::build`] refuses.
    #[must_use]
    pub const fn table_rows(&self) -> Option<u32> {
        match self {
            Self::None | Self::Sandwich { .. } | Self::Dense(_) => None,
            Self::Relative(buckets) => Some(buckets.num_buckets),
            Self::PerOffset { max_offset } => Some(max_offset.saturating_mul(2).saturating_add(1)),
            Self::Alibi => Some(1),
            Self::Kerple(_) => Some(2),
            Self::Fire { width } => Some(width.saturating_mul(3).saturating_add(3)),
            Self::Indexed { rows, matrices, .. } => Some(matrices.saturating_mul(*rows)),
        }
    }

    /// Whether the bias is a function of head and offset alone.
    #[must_use]
    pub const fn is_by_offset(&self) -> bool {
        matches!(self.kind(), Kind::Offset)
    }

    /// What of it the kernels have to know.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::None => Kind::None,
            Self::Relative(_)
            | Self::PerOffset { .. }
            | Self::Alibi
            | Self::Kerple(_)
            | Self::Sandwich { .. } => Kind::Offset,
            Self::Fire { .. } => Kind::Fire,
            Self::Indexed { .. } => Kind::Index,
            Self::Dense(_) => Kind::Dense,
        }
    }

    /// Checks the parameters that do not depend on the shape.
    pub(crate) fn validate(&self) -> Result<(), ProblemError> {
        match *self {
            Self::Indexed {
                rows,
                matrices,
                format,
                ..
            } => {
                let maximum = format.most().min(Self::MAX_TABLE_ROWS);
                if rows == 0 || rows > maximum {
                    return Err(ProblemError::TableRows {
                        found: rows,
                        maximum,
                    });
                }
                let maximum = Self::MAX_TABLE_ROWS / rows;
                if matrices == 0 || matrices > maximum {
                    return Err(ProblemError::Matrices {
                        found: matrices,
                        maximum,
                    });
                }
            }
            Self::Fire { width } if !(1..=Self::MAX_FIRE_WIDTH).contains(&width) => {
                return Err(ProblemError::FireWidth {
                    found: width,
                    maximum: Self::MAX_FIRE_WIDTH,
                });
            }
            Self::PerOffset { max_offset } if max_offset >= Self::MAX_TABLE_ROWS / 2 => {
                return Err(ProblemError::MaxOffset {
                    found: max_offset,
                    maximum: Self::MAX_TABLE_ROWS / 2 - 1,
                });
            }
            Self::Sandwich { dimensions }
                if !(2..=Self::MAX_DIMENSIONS).contains(&dimensions)
                    || !dimensions.is_multiple_of(2) =>
            {
                return Err(ProblemError::Dimensions {
                    found: dimensions,
                    maximum: Self::MAX_DIMENSIONS,
                });
            }
            _ => {}
        }
        Ok(())
    }
}

/// ALiBi's slopes: `2^(−8 (h + 1) / H)` where H is a power of two; else those of the power of two below, followed by every
/// second one of the power above.
///
/// Source: `get_slopes` of the authors' implementation of Press et al. (2022).
#[must_use]
pub fn alibi_slopes(heads: u32) -> Vec<f32> {
    let geometric = |count: f64, n: f64| (-8.0 * n / count).exp2();
    let below = heads.checked_ilog2().map_or(0, |exponent| 1 << exponent);
    let first = (1..=below).map(|n| geometric(f64::from(below), f64::from(n)));
    let between = (0..heads - below).map(|n| {
        let n = 2.0 * f64::from(n) + 1.0;
        geometric(2.0 * f64::from(below), n)
    });
    #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
    first.chain(between).map(|slope| slope as f32).collect()
}

/// How a matrix of indices lies in device memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IndexFormat {
    /// A word each.
    U32,
    /// Half a word each, rows unpadded, the first index in the lower half; for at most 65,536 rows.
    U16,
    /// A byte each, rows unpadded, the first index in the lowest byte of a word; for at most 256 rows.
    U8,
}

impl IndexFormat {
    /// How many different indices there are, as far as 32 bits count.
    #[must_use]
    pub const fn most(self) -> u32 {
        match self {
            Self::U32 => u32::MAX,
            Self::U16 => 1 << 16,
            Self::U8 => 1 << 8,
        }
    }

    /// Indices in a word.
    #[must_use]
    pub const fn per_word(self) -> u32 {
        match self {
            Self::U32 => 1,
            Self::U16 => 2,
            Self::U8 => 4,
        }
    }

    /// Bytes of this many indices, a whole number of words.
    #[must_use]
    pub const fn bytes(self, indices: u64) -> u64 {
        4 * indices.div_ceil(self.per_word() as u64)
    }
}
