//! An attention problem, without its data: validated once, without a device.

use crate::bias::Kind;
use crate::{
    Bias, Dropout, Dtype, InputError, Layout, Mask, Paged, ProblemBuilder, Shape, Tensor,
    Thresholds,
};

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
    pub(crate) shape: Shape,
    pub(crate) value_dim: u32,
    pub(crate) dtype: Dtype,
    pub(crate) scale: f32,
    pub(crate) terms: Vec<Term>,
    pub(crate) gated: bool,
    pub(crate) dropout: Option<Dropout>,
    pub(crate) mask: Mask,
    pub(crate) paged: Option<Paged>,
    pub(crate) query_offset: i32,
    pub(crate) key_offset: u32,
    pub(crate) layouts: [Layout; 4],
}

/// One bias of the sum.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term {
    pub(crate) bias: Bias,
    /// Where its rows begin in the table of the whole sum.
    pub(crate) first_row: u32,
    /// Of its buckets, where it has any.
    pub(crate) thresholds: Option<Thresholds>,
}

/// The index matrices of a sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Indexed {
    pub(crate) rows: u32,
    pub(crate) matrices: u32,
    pub(crate) each_sequence: bool,
    pub(crate) format: crate::IndexFormat,
    pub(crate) first_row: u32,
}

/// The tensors that have a layout, in the order of `Problem::layouts`.
pub(crate) const STRIDED: [Tensor; 4] = [Tensor::Q, Tensor::K, Tensor::V, Tensor::Out];

/// Features of a row of a tensor that has a layout.
pub(crate) const fn features(tensor: Tensor, head_dim: u32, value_dim: u32) -> u32 {
    match tensor {
        Tensor::V | Tensor::Out => value_dim,
        _ => head_dim,
    }
}

/// Sequences or blocks, heads and rows of a tensor that has a layout.
pub(crate) const fn rows_of(
    shape: &Shape,
    paged: Option<Paged>,
    tensor: Tensor,
) -> Option<[u32; 3]> {
    match (tensor, paged) {
        (Tensor::K | Tensor::V, Some(paged)) => {
            Some([paged.blocks, shape.kv_heads, paged.block_size])
        }
        _ => shape.rows_of(tensor),
    }
}

/// A product that stays at the largest number where it would be larger.
fn product(sizes: &[u64]) -> u64 {
    if sizes.contains(&0) {
        return 0;
    }
    sizes
        .iter()
        .fold(1, |product: u64, &size| product.saturating_mul(size))
}

impl Term {
    /// The distance from which it no longer changes, if it is by offset.
    fn saturation(&self) -> u32 {
        match self.bias {
            Bias::Relative(_) => self.thresholds.as_ref().map_or(0, Thresholds::saturation),
            Bias::PerOffset { max_offset } => max_offset,
            Bias::Alibi | Bias::Kerple(_) | Bias::Sandwich { .. } => u32::MAX,
            Bias::None | Bias::Fire { .. } | Bias::Indexed { .. } | Bias::Dense(_) => 0,
        }
    }
}

impl Problem {
    /// Starts a problem of this shape: scale `1 / √head_dim`, no bias, every key visible, query offset 0.
    pub const fn builder(shape: Shape) -> ProblemBuilder {
        ProblemBuilder::new(shape)
    }

    /// Starts a problem of the same choices, some of which may then be others. Layouts and the factor of the scores stay what they are.
    pub fn to_builder(&self) -> ProblemBuilder {
        ProblemBuilder::of(self)
    }

    /// The sizes of the tensors.
    #[must_use]
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Features of a row of v and of the output.
    #[must_use]
    pub const fn value_dim(&self) -> u32 {
        self.value_dim
    }

    /// How q, k, v, the output and a dense bias are stored on a device.
    #[must_use]
    pub const fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The factor of the scores.
    #[must_use]
    pub const fn scale(&self) -> f32 {
        self.scale
    }

    /// What is added to the scores: the terms of a sum, none for no bias.
    pub fn biases(&self) -> impl ExactSizeIterator<Item = Bias> + '_ {
        self.terms.iter().map(|term| term.bias)
    }

    /// Whether a factor for each query, `[B, H, Nq]`, multiplies the bias by offset.
    #[must_use]
    pub const fn gated(&self) -> bool {
        self.gated
    }

    /// The dropout of weights, where there is any.
    #[must_use]
    pub const fn dropout(&self) -> Option<Dropout> {
        self.dropout
    }

    /// The cache in blocks, where k and v are one.
    #[must_use]
    pub const fn paged(&self) -> Option<Paged> {
        self.paged
    }

    /// The terms that are functions of head and offset.
    pub(crate) fn by_offset(&self) -> impl Iterator<Item = &Term> {
        self.terms.iter().filter(|term| term.bias.is_by_offset())
    }

    /// Those of them that have parameters.
    #[cfg(feature = "gpu")]
    pub(crate) fn learned_by_offset(&self) -> impl Iterator<Item = &Term> {
        self.by_offset()
            .filter(|term| term.bias.table_rows().is_some())
    }

    pub(crate) fn is_by_offset(&self) -> bool {
        self.by_offset().next().is_some()
    }

    fn term(&self, kind: Kind) -> Option<&Term> {
        self.terms.iter().find(|term| term.bias.kind() == kind)
    }

    /// The units of FIRE's hidden layer, and the row of the table where its parameters begin.
    pub(crate) fn fire(&self) -> Option<(u32, u32)> {
        let term = self.term(Kind::Fire)?;
        match term.bias {
            Bias::Fire { width } => Some((width, term.first_row)),
            _ => None,
        }
    }

    pub(crate) fn indexed(&self) -> Option<Indexed> {
        let term = self.term(Kind::Index)?;
        let Bias::Indexed {
            rows,
            matrices,
            each_sequence,
            format,
        } = term.bias
        else {
            return None;
        };
        Some(Indexed {
            rows,
            matrices,
            each_sequence,
            format,
            first_row: term.first_row,
        })
    }

    pub(crate) fn dense(&self) -> Option<Layout> {
        match self.term(Kind::Dense)?.bias {
            Bias::Dense(layout) => Some(layout),
            _ => None,
        }
    }

    /// Rows of the table that holds the parameters of every term, one behind the other.
    #[must_use]
    pub fn table_rows(&self) -> u32 {
        let rows = self.terms.iter().map(|term| term.bias.table_rows());
        rows.map(Option::unwrap_or_default).sum()
    }

    /// The bucket thresholds of the first bias that has buckets.
    #[must_use]
    pub fn thresholds(&self) -> Option<&Thresholds> {
        self.terms.iter().find_map(|term| term.thresholds.as_ref())
    }

    /// The distance from which the bias by offset no longer changes with these lengths: where the last bucket begins, the
    /// last offset of its own, or the farthest that occurs. The offset table holds `2 · radius + 1` numbers a head.
    #[must_use]
    pub fn bias_radius(&self) -> u32 {
        let saturation = self.saturation();
        u32::try_from(self.farthest(self.query_offset, self.shape.k_len))
            .map_or(saturation, |farthest| saturation.min(farthest))
    }

    /// The distance from which no term by offset changes.
    pub(crate) fn saturation(&self) -> u32 {
        self.terms.iter().map(Term::saturation).max().unwrap_or(0)
    }

    /// The largest distance between a query and one of the first `keys` keys.
    pub(crate) fn farthest(&self, query_offset: i32, keys: u32) -> u64 {
        if self.mask.packed.is_some() {
            // A sequence has no more rows than all together, whatever the starts are.
            let rows = u64::from(self.shape.q_len.max(self.shape.k_len));
            return rows + u64::from(query_offset.unsigned_abs());
        }
        let first = i64::from(query_offset) - i64::from(self.key_offset);
        let last_query = first + i64::from(self.shape.q_len) - 1;
        let last_key = i64::from(keys) - 1;
        (last_key - first)
            .unsigned_abs()
            .max(last_query.unsigned_abs())
    }

    /// Bytes of the table by head and clamped offset that a pass makes for biases by offset; 0 for others.
    #[must_use]
    pub fn offset_table_bytes(&self) -> u64 {
        if self.is_by_offset() {
            4 * u64::from(self.shape.heads) * (2 * u64::from(self.bias_radius()) + 1)
        } else {
            0
        }
    }

    /// The inner products of Sandwich's embeddings at distances `0 ..= bias_radius`; none for another bias.
    pub(crate) fn sandwich_basis(&self, bias: Bias) -> Vec<f32> {
        let Bias::Sandwich { dimensions } = bias else {
            return Vec::new();
        };
        let frequencies: Vec<f64> = (0..dimensions / 2)
            .map(|n| 10_000_f64.powf(-2.0 * f64::from(n) / f64::from(dimensions)))
            .collect();
        let product = |distance: u32| -> f64 {
            let angles = frequencies.iter().map(|w| w * f64::from(distance));
            angles.map(f64::cos).sum()
        };
        #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
        (0..=self.bias_radius())
            .map(|distance| product(distance) as f32)
            .collect()
    }

    /// Bytes of the segments that a pass makes for FIRE; 0 for other biases.
    #[must_use]
    pub fn fire_table_bytes(&self) -> u64 {
        let width = self.fire().map(|(width, _)| u64::from(width));
        width.map_or(0, |width| 4 * u64::from(self.shape.heads) * (4 * width + 4))
    }

    /// Refuses a problem that has no backward pass.
    pub(crate) const fn check_backward(&self) -> Result<(), InputError> {
        match self.paged {
            Some(_) => Err(InputError::NoBackward {
                what: "a paged cache",
                allowed: "sequences may share its blocks: give k and v as tensors of their own",
            }),
            None => Ok(()),
        }
    }

    /// Which keys are visible.
    #[must_use]
    pub const fn mask(&self) -> Mask {
        self.mask
    }

    /// Where dropout counts a weight `(batch, head, i, j)`: by the position of the key.
    pub(crate) const fn dropout_place(&self, [batch, head, i, j]: [u32; 4]) -> [u32; 4] {
        [batch, head, i, j + self.key_offset]
    }

    /// By how much offsets are less than `j − i`.
    pub(crate) const fn shift(&self) -> i32 {
        // `build` keeps both within 31 bits.
        self.query_offset - self.key_offset.cast_signed()
    }

    /// The position of key row 0; not 0 where the keys are a range of more.
    #[must_use]
    pub const fn key_offset(&self) -> u32 {
        self.key_offset
    }

    /// The position of query row 0; for a decoding step `Nk − Nq`.
    #[must_use]
    pub const fn query_offset(&self) -> i32 {
        self.query_offset
    }

    /// How q, k, v or the output lies in memory; none for the other tensors.
    #[must_use]
    pub fn layout(&self, tensor: Tensor) -> Option<Layout> {
        let position = STRIDED.iter().position(|&strided| strided == tensor)?;
        Some(self.layouts[position])
    }

    pub(crate) const fn layouts(&self) -> [Layout; 4] {
        self.layouts
    }

    /// Sequences or blocks, heads and rows of a tensor that has a layout.
    pub(crate) const fn rows_of(&self, tensor: Tensor) -> Option<[u32; 3]> {
        rows_of(&self.shape, self.paged, tensor)
    }

    /// Whether a pass reads or writes a tensor. The log-sum-exp is always possible.
    pub(crate) fn uses(&self, tensor: Tensor) -> bool {
        match tensor {
            Tensor::Table | Tensor::DTable => self.table_rows() > 0,
            Tensor::Gate | Tensor::DGate => self.gated,
            Tensor::Indices => self.indexed().is_some(),
            Tensor::Bias | Tensor::DBias => self.dense().is_some(),
            Tensor::KeyMask => self.mask.keys,
            Tensor::KeyLengths => self.mask.key_lengths,
            Tensor::QueryLengths => self.mask.query_lengths,
            Tensor::QueryDocuments | Tensor::KeyDocuments => self.mask.documents,
            Tensor::MaskBits => self.mask.bits.is_some(),
            Tensor::QueryStarts | Tensor::KeyStarts => self.mask.packed.is_some(),
            Tensor::BlockTable => self.paged.is_some(),
            Tensor::OffsetTable => self.is_by_offset(),
            Tensor::FireTable => self.fire().is_some(),
            Tensor::PartOut | Tensor::PartLse | Tensor::RopeInput | Tensor::Workspace => false,
            Tensor::Q | Tensor::K | Tensor::V | Tensor::Out | Tensor::Lse => true,
            Tensor::DQ | Tensor::DK | Tensor::DV | Tensor::DOut => true,
        }
    }

    /// The elements that a tensor takes, gaps included; 0 for one that the problem does not use.
    #[must_use]
    pub fn elements(&self, tensor: Tensor) -> u64 {
        if !self.uses(tensor) {
            return 0;
        }
        let shape = &self.shape;
        let [batch, heads, q_len, k_len] =
            [shape.batch, shape.heads, shape.q_len, shape.k_len].map(u64::from);
        let each = |each: bool, size: u64| if each { size } else { 1 };
        match tensor {
            Tensor::Table | Tensor::DTable => product(&[self.table_rows().into(), heads]),
            Tensor::Indices => self.indexed().map_or(0, |indexed| {
                let planes = each(indexed.each_sequence, batch);
                product(&[indexed.matrices.into(), planes, q_len, k_len])
            }),
            Tensor::Bias | Tensor::DBias => self.dense().map_or(0, |layout| {
                layout.span([shape.batch, shape.heads, shape.q_len], shape.k_len)
            }),
            Tensor::QueryLengths | Tensor::KeyLengths => batch,
            Tensor::QueryStarts | Tensor::KeyStarts => self
                .mask
                .packed
                .map_or(0, |packed| u64::from(packed.sequences) + 1),
            Tensor::QueryDocuments => product(&[batch, q_len]),
            Tensor::KeyDocuments | Tensor::KeyMask => product(&[batch, k_len]),
            Tensor::BlockTable => self.paged.map_or(0, |paged| {
                product(&[batch, k_len.div_ceil(paged.block_size.into())])
            }),
            Tensor::MaskBits => self.mask.bits.map_or(0, |bits| {
                let planes = [each(bits.each_sequence, batch), each(bits.each_head, heads)];
                product(&[planes[0], planes[1], q_len, k_len.div_ceil(32)])
            }),
            Tensor::Lse | Tensor::Gate | Tensor::DGate => product(&[batch, heads, q_len]),
            Tensor::OffsetTable => self.offset_table_bytes() / 4,
            Tensor::FireTable => self.fire_table_bytes() / 4,
            Tensor::PartOut | Tensor::PartLse | Tensor::RopeInput | Tensor::Workspace => 0,
            Tensor::DQ => self.elements(Tensor::Q),
            Tensor::DK => self.elements(Tensor::K),
            Tensor::DV => self.elements(Tensor::V),
            Tensor::DOut => self.elements(Tensor::Out),
            Tensor::Q | Tensor::K | Tensor::V | Tensor::Out => {
                match (self.layout(tensor), self.rows_of(tensor)) {
                    (Some(layout), Some(sizes)) => {
                        layout.span(sizes, features(tensor, shape.head_dim, self.value_dim))
                    }
                    _ => 0,
                }
            }
        }
    }
}
