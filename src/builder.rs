//! The choices that make a problem, checked together.

use crate::bias::Kind;
use crate::problem::{STRIDED, Term, features, rows_of};
use crate::{
    Bias, Dropout, Dtype, Layout, Mask, Paged, Problem, ProblemError, Scale, Shape, Tensor,
};

/// The magnitude that offsets must not exceed, so that 32 signed bits hold every sum of positions.
pub(crate) const MAX_OFFSET: i64 = (1 << 30) - 1;

/// Collects the choices that make a [`Problem`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ProblemBuilder {
    shape: Shape,
    value_dim: u32,
    dtype: Dtype,
    scale: Scale,
    biases: Vec<Bias>,
    gated: bool,
    dropout: Option<Dropout>,
    mask: Mask,
    paged: Option<Paged>,
    query_offset: i32,
    key_offset: u32,
    layouts: [Option<Layout>; 4],
}

impl ProblemBuilder {
    pub(crate) const fn new(shape: Shape) -> Self {
        Self {
            shape,
            value_dim: shape.head_dim,
            dtype: Dtype::F32,
            scale: Scale::InverseSqrt,
            biases: Vec::new(),
            gated: false,
            dropout: None,
            mask: Mask::NONE,
            paged: None,
            query_offset: 0,
            key_offset: 0,
            layouts: [None; 4],
        }
    }

    /// The choices of a problem, its layouts among them.
    pub(crate) fn of(problem: &Problem) -> Self {
        Self {
            value_dim: problem.value_dim,
            dtype: problem.dtype,
            scale: Scale::Value(problem.scale),
            biases: problem.biases().collect(),
            gated: problem.gated,
            dropout: problem.dropout,
            mask: problem.mask,
            paged: problem.paged,
            query_offset: problem.query_offset,
            key_offset: problem.key_offset,
            layouts: problem.layouts.map(Some),
            ..Self::new(problem.shape)
        }
    }

    /// Sets how q, k, v or the output lies in memory; contiguous where this is not called.
    ///
    /// # Errors
    /// A tensor that has no layout.
    pub fn layout(mut self, tensor: Tensor, layout: Layout) -> Result<Self, ProblemError> {
        let position = STRIDED.iter().position(|&strided| strided == tensor);
        let position = position.ok_or(ProblemError::NoLayout { tensor })?;
        self.layouts[position] = Some(layout);
        Ok(self)
    }

    /// Sets the features of a row of v and of the output; those of q and k where this is not called.
    pub const fn value_dim(mut self, value_dim: u32) -> Self {
        self.value_dim = value_dim;
        self
    }

    /// Sets how q, k, v, the output and a dense bias are stored on a device; f32 where this is not called. Host slices are
    /// f32 all the same.
    pub const fn dtype(mut self, dtype: Dtype) -> Self {
        self.dtype = dtype;
        self
    }

    /// Sets the factor of the scores.
    pub const fn scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }

    /// Sets what is added to the scores.
    pub fn bias(mut self, bias: Bias) -> Self {
        self.biases = vec![bias];
        self
    }

    /// Adds another bias to the scores: any number of biases by offset, and one of each other kind. The rows of its table
    /// come behind those of the biases before it.
    pub fn add_bias(mut self, bias: Bias) -> Self {
        self.biases.push(bias);
        self
    }

    /// Multiplies the bias by offset by a number for each query, `[B, H, Nq]`, as WavLM does; the other biases of a sum are not.
    ///
    /// Source: Chen et al., "WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing" (2022), gated
    /// relative position bias.
    pub const fn gated(mut self, gated: bool) -> Self {
        self.gated = gated;
        self
    }

    /// Leaves weights out at random, as training does.
    pub const fn dropout(mut self, dropout: Dropout) -> Self {
        self.dropout = Some(dropout);
        self
    }

    /// Takes k and v from a cache in blocks.
    pub const fn paged(mut self, paged: Paged) -> Self {
        self.paged = Some(paged);
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

    /// Sets the position of key row 0, where the keys are a range of more; offsets are `(j + key_offset) − (i + query_offset)`.
    ///
    /// Positions are those of all the keys, which FIRE and dropout go by; lengths, masks, indices and dense biases are of the range
    /// alone. So the results of ranges merge into that of the whole (`Context::merge`, `cpu::merge`).
    pub const fn key_offset(mut self, key_offset: u32) -> Self {
        self.key_offset = key_offset;
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// Sizes, buckets, scale or offsets that no kernel could serve, and choices that contradict each other.
    pub fn build(self) -> Result<Problem, ProblemError> {
        self.shape.validate()?;
        if !(1..=Shape::MAX_HEAD_DIM).contains(&self.value_dim) {
            return Err(ProblemError::HeadDim {
                tensor: Tensor::V,
                found: self.value_dim,
                maximum: Shape::MAX_HEAD_DIM,
            });
        }
        self.validate_offsets()?;
        self.validate_packed()?;
        self.validate_paged()?;
        if let Some(dropout) = self.dropout {
            dropout.validate()?;
        }
        let problem = Problem {
            shape: self.shape,
            value_dim: self.value_dim,
            dtype: self.dtype,
            scale: self.resolve_scale()?,
            terms: self.resolve_terms()?,
            gated: self.gated,
            dropout: self.dropout,
            mask: self.mask,
            paged: self.paged,
            query_offset: self.query_offset,
            key_offset: self.key_offset,
            layouts: self.resolve_layouts()?,
        };
        // Gates are as many as log-sum-exps.
        for tensor in [
            Tensor::Table,
            Tensor::Indices,
            Tensor::KeyMask,
            Tensor::QueryDocuments,
            Tensor::KeyDocuments,
            Tensor::MaskBits,
            Tensor::BlockTable,
            Tensor::OffsetTable,
            Tensor::FireTable,
            Tensor::Lse,
            Tensor::QueryStarts,
            Tensor::KeyStarts,
        ] {
            validate_elements(&problem, tensor)?;
        }
        Ok(problem)
    }

    /// Checks each bias, and that the sum is one that a kernel forms.
    fn resolve_terms(&self) -> Result<Vec<Term>, ProblemError> {
        let mut terms: Vec<Term> = Vec::new();
        let mut first_row = 0;
        for bias in self
            .biases
            .iter()
            .copied()
            .filter(|bias| *bias != Bias::None)
        {
            bias.validate()?;
            let kind = bias.kind();
            if terms.iter().any(|term| term.bias.kind() == kind) {
                refuse_second(kind)?;
            }
            let thresholds = match bias {
                Bias::Relative(buckets) => Some(buckets.thresholds()?),
                _ => None,
            };
            if let Bias::Dense(layout) = bias {
                let shape = &self.shape;
                let sizes = [shape.batch, shape.heads, shape.q_len];
                layout.validate_span(Tensor::Bias, sizes, shape.k_len)?;
            }
            terms.push(Term {
                bias,
                first_row,
                thresholds,
            });
            first_row = add_rows(first_row, bias)?;
        }
        if self.gated && !terms.iter().any(|term| term.bias.is_by_offset()) {
            return Err(ProblemError::NothingToGate);
        }
        Ok(terms)
    }

    fn validate_packed(&self) -> Result<(), ProblemError> {
        let Some(packed) = self.mask.packed else {
            return Ok(());
        };
        if self.shape.batch != 1 || packed.sequences == 0 {
            return Err(ProblemError::Packed {
                batch: self.shape.batch,
                sequences: packed.sequences,
            });
        }
        if self.key_offset != 0 {
            return Err(ProblemError::Contradiction {
                first: "a packed batch",
                second: "a range of keys",
                allowed: "the keys of each sequence begin at position 0",
            });
        }
        for (used, second) in [
            (self.mask.key_lengths, "key lengths"),
            (self.mask.query_lengths, "query lengths"),
        ] {
            if used {
                return Err(ProblemError::Contradiction {
                    first: "a packed batch",
                    second,
                    allowed: "the starts say how long each sequence is",
                });
            }
        }
        if self.paged.is_some() {
            return Err(ProblemError::Contradiction {
                first: "a packed batch",
                second: "a paged cache",
                allowed: "a paged cache has key lengths",
            });
        }
        Ok(())
    }

    fn validate_paged(&self) -> Result<(), ProblemError> {
        match self.paged {
            Some(Paged { block_size, blocks }) if block_size == 0 || blocks == 0 => {
                Err(ProblemError::Paged { blocks, block_size })
            }
            _ => Ok(()),
        }
    }

    fn validate_offsets(&self) -> Result<(), ProblemError> {
        let positions = [
            i64::from(self.query_offset).abs(),
            i64::from(self.query_offset) + i64::from(self.shape.q_len),
            i64::from(self.key_offset) + i64::from(self.shape.k_len),
        ];
        let first = i64::from(self.query_offset) - i64::from(self.key_offset);
        let last = first + i64::from(self.shape.q_len);
        let farthest = first
            .abs()
            .max(last.abs())
            .max(i64::from(self.shape.k_len) - first);
        let farthest = match self.mask.packed {
            // Each sequence begins anew, wherever its rows lie.
            Some(_) => farthest.max(last) + i64::from(self.shape.k_len),
            None => farthest,
        };
        if positions.into_iter().fold(farthest, i64::max) > MAX_OFFSET {
            return Err(ProblemError::QueryOffset {
                found: self.query_offset.into(),
                keys: self.key_offset.into(),
                q_len: self.shape.q_len,
                k_len: self.shape.k_len,
                maximum: MAX_OFFSET,
            });
        }
        Ok(())
    }

    fn resolve_layouts(&self) -> Result<[Layout; 4], ProblemError> {
        let mut layouts = [Layout::default(); 4];
        for ((slot, tensor), chosen) in layouts.iter_mut().zip(STRIDED).zip(self.layouts) {
            let features = features(tensor, self.shape.head_dim, self.value_dim);
            let sizes = rows_of(&self.shape, self.paged, tensor).unwrap_or_default();
            *slot = match chosen {
                Some(layout) => layout,
                None => Layout::contiguous(tensor, sizes, features)?,
            };
            slot.validate(tensor, sizes, features)?;
            if self.dtype.bytes() == 2 {
                slot.validate_words(tensor, features)?;
            }
        }
        Ok(layouts)
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

/// Refuses tensors past 32 bits.
fn validate_elements(problem: &Problem, tensor: Tensor) -> Result<(), ProblemError> {
    let elements = problem.elements(tensor);
    if elements > u64::from(u32::MAX) {
        return Err(ProblemError::TooLarge {
            tensor,
            elements: elements.into(),
            maximum: u32::MAX.into(),
        });
    }
    Ok(())
}

fn refuse_second(kind: Kind) -> Result<(), ProblemError> {
    let (kind, allowed) = match kind {
        Kind::None | Kind::Offset => return Ok(()),
        Kind::Fire => ("FIRE", "add biases of another kind to it"),
        Kind::Index => (
            "indexed",
            "`matrices` adds up several tables by several indices",
        ),
        Kind::Dense => ("dense", "add the two up beforehand"),
    };
    Err(ProblemError::SecondBias { kind, allowed })
}

fn add_rows(first: u32, bias: Bias) -> Result<u32, ProblemError> {
    let rows = first.saturating_add(bias.table_rows().unwrap_or(0));
    if rows > 4 * Bias::MAX_TABLE_ROWS {
        return Err(ProblemError::TableRows {
            found: rows,
            maximum: 4 * Bias::MAX_TABLE_ROWS,
        });
    }
    Ok(rows)
}
