//! An attention problem, without its data: validated once, without a device.

use crate::{Bias, Dtype, Layout, Mask, ProblemError, Shape, Tensor, Thresholds};

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
    value_dim: u32,
    dtype: Dtype,
    scale: f32,
    bias: Bias,
    thresholds: Option<Thresholds>,
    mask: Mask,
    query_offset: i32,
    layouts: [Layout; 4],
}

/// The tensors that have a layout, in the order of `Problem::layouts`.
const STRIDED: [Tensor; 4] = [Tensor::Q, Tensor::K, Tensor::V, Tensor::Out];

/// What a problem needs at the least, whatever the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations of the two products over the pairs that `causal` and a window leave: 2 for a multiply-add.
    pub flops: u64,
    /// Bytes of q, k, v and the output, each moved once.
    pub bytes: u64,
}

/// Pairs where query row 0 has `first` keys, each later row one more, and none fewer than 0 or more than `k_len`.
fn keys_before(first: i64, q_len: u32, k_len: u32) -> u64 {
    let (rows, keys) = (i64::from(q_len), i64::from(k_len));
    let blind = (-first).clamp(0, rows);
    let full = (keys - first).clamp(blind, rows);
    let growing = i128::from(full - blind);
    let pairs = growing * i128::from(first + blind)
        + growing * (growing - 1) / 2
        + i128::from(rows - full) * i128::from(keys);
    u64::try_from(pairs).unwrap_or(0)
}

/// Features of a row of a tensor that has a layout.
const fn features(tensor: Tensor, head_dim: u32, value_dim: u32) -> u32 {
    match tensor {
        Tensor::V | Tensor::Out => value_dim,
        _ => head_dim,
    }
}

/// The magnitude that offsets must not exceed, so that 32 signed bits hold every sum of positions.
const MAX_OFFSET: i64 = (1 << 30) - 1;

impl Problem {
    /// Starts a problem of this shape: scale `1 / √head_dim`, no bias, every key visible, query offset 0.
    pub const fn builder(shape: Shape) -> ProblemBuilder {
        ProblemBuilder {
            shape,
            value_dim: shape.head_dim,
            dtype: Dtype::F32,
            scale: Scale::InverseSqrt,
            bias: Bias::None,
            mask: Mask::NONE,
            query_offset: 0,
            layouts: [None; 4],
        }
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

    /// The distance from which a bias by offset no longer changes with these lengths: where the last bucket begins, the
    /// last offset of its own, or the farthest that occurs. The offset table holds `2 · radius + 1` numbers a head.
    #[must_use]
    pub fn bias_radius(&self) -> u32 {
        let saturation = match self.bias {
            Bias::None | Bias::Indexed { .. } | Bias::Dense(_) => 0,
            Bias::Relative(_) => self.thresholds.as_ref().map_or(0, Thresholds::saturation),
            Bias::PerOffset { max_offset } => max_offset,
            Bias::Alibi | Bias::Kerple(_) | Bias::Sandwich { .. } => u32::MAX,
        };
        let offset = i64::from(self.query_offset);
        let last_query = offset + i64::from(self.shape.q_len) - 1;
        let last_key = i64::from(self.shape.k_len) - 1;
        let farthest = (last_key - offset).abs().max(last_query.abs());
        u32::try_from(farthest).map_or(saturation, |farthest| saturation.min(farthest))
    }

    /// Bytes of the table by head and clamped offset that a pass makes for a bias by offset; 0 for others.
    #[must_use]
    pub fn offset_table_bytes(&self) -> u64 {
        if self.bias.is_by_offset() {
            4 * u64::from(self.shape.heads) * (2 * u64::from(self.bias_radius()) + 1)
        } else {
            0
        }
    }

    /// The inner products of Sandwich's embeddings at distances `0 ..= bias_radius`; none for another bias.
    pub(crate) fn sandwich_basis(&self) -> Vec<f32> {
        let Bias::Sandwich { dimensions } = self.bias else {
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

    /// How q, k, v or the output lies in memory; none for the other tensors.
    #[must_use]
    pub fn layout(&self, tensor: Tensor) -> Option<Layout> {
        let position = STRIDED.iter().position(|&strided| strided == tensor)?;
        Some(self.layouts[position])
    }

    pub(crate) const fn layouts(&self) -> [Layout; 4] {
        self.layouts
    }

    /// The elements that a tensor takes, gaps included; 0 for one that the problem does not use.
    #[must_use]
    pub fn elements(&self, tensor: Tensor) -> u64 {
        let shape = &self.shape;
        let [batch, heads, q_len, k_len] =
            [shape.batch, shape.heads, shape.q_len, shape.k_len].map(u64::from);
        let rows = self.bias.table_rows().map_or(0, u64::from);
        match tensor {
            Tensor::Table => rows * heads,
            Tensor::Indices => match self.bias {
                Bias::Indexed { each_sequence, .. } => {
                    q_len * k_len * if each_sequence { batch } else { 1 }
                }
                _ => 0,
            },
            Tensor::Bias => match self.bias {
                Bias::Dense(layout) => {
                    layout.span([shape.batch, shape.heads, shape.q_len], shape.k_len)
                }
                _ => 0,
            },
            Tensor::QueryLengths if self.mask.query_lengths => batch,
            Tensor::QueryDocuments if self.mask.documents => batch * q_len,
            Tensor::KeyDocuments if self.mask.documents => batch * k_len,
            Tensor::MaskBits => self.mask.bits.map_or(0, |bits| {
                let size = |each: bool, size: u64| if each { size } else { 1 };
                size(bits.each_sequence, batch)
                    * size(bits.each_head, heads)
                    * q_len
                    * k_len.div_ceil(32)
            }),
            Tensor::KeyLengths if self.mask.key_lengths => batch,
            Tensor::KeyMask if self.mask.keys => batch * k_len,
            Tensor::Lse => batch * heads * q_len,
            _ => match (self.layout(tensor), shape.rows_of(tensor)) {
                (Some(layout), Some(sizes)) => {
                    layout.span(sizes, features(tensor, shape.head_dim, self.value_dim))
                }
                _ => 0,
            },
        }
    }

    /// Operations and compulsory bytes.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let shape = &self.shape;
        let before = |reach: i64| {
            let first = i64::from(self.query_offset) + reach;
            keys_before(first, shape.q_len, shape.k_len)
        };
        let all = u64::from(shape.q_len) * u64::from(shape.k_len);
        let pairs = match (self.mask.causal, self.mask.window) {
            (false, None) => all,
            (true, None) => before(1),
            (causal, Some(window)) => {
                let right = if causal { 0 } else { window.right };
                before(i64::from(right) + 1) - before(-i64::from(window.left))
            }
        };
        let size = |size: u32| u128::from(size);
        let features = size(shape.head_dim) + size(self.value_dim);
        let sequences = size(shape.batch) * features;
        let rows = size(shape.heads) * size(shape.q_len) + size(shape.kv_heads) * size(shape.k_len);
        let flops = 2 * sequences * size(shape.heads) * u128::from(pairs);
        Cost {
            flops: u64::try_from(flops).unwrap_or(u64::MAX),
            bytes: u64::try_from(u128::from(self.dtype.bytes()) * sequences * rows)
                .unwrap_or(u64::MAX),
        }
    }
}

/// Collects the choices that make a [`Problem`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ProblemBuilder {
    shape: Shape,
    value_dim: u32,
    dtype: Dtype,
    scale: Scale,
    bias: Bias,
    mask: Mask,
    query_offset: i32,
    layouts: [Option<Layout>; 4],
}

impl ProblemBuilder {
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
        if !(1..=Shape::MAX_HEAD_DIM).contains(&self.value_dim) {
            return Err(ProblemError::HeadDim {
                tensor: Tensor::V,
                found: self.value_dim,
                maximum: Shape::MAX_HEAD_DIM,
            });
        }
        self.validate_offsets()?;
        let scale = self.resolve_scale()?;
        self.bias.validate()?;
        self.validate_bits()?;
        self.validate_indices()?;
        let thresholds = match self.bias {
            Bias::Relative(buckets) => Some(buckets.thresholds()?),
            Bias::Dense(layout) => {
                layout.validate_dense(&self.shape)?;
                None
            }
            _ => None,
        };
        Ok(Problem {
            shape: self.shape,
            value_dim: self.value_dim,
            dtype: self.dtype,
            scale,
            bias: self.bias,
            thresholds,
            mask: self.mask,
            query_offset: self.query_offset,
            layouts: self.resolve_layouts()?,
        })
    }

    /// Refuses indices past 32 bits.
    fn validate_indices(&self) -> Result<(), ProblemError> {
        let shape = &self.shape;
        let Bias::Indexed { each_sequence, .. } = self.bias else {
            return Ok(());
        };
        let sequences = u128::from(if each_sequence { shape.batch } else { 1 });
        let elements = sequences * u128::from(shape.q_len) * u128::from(shape.k_len);
        if elements > u128::from(u32::MAX) {
            return Err(ProblemError::TooLarge {
                tensor: Tensor::Indices,
                elements,
                maximum: u32::MAX.into(),
            });
        }
        Ok(())
    }

    /// Refuses a mask of bits past 32 bits of words.
    fn validate_bits(&self) -> Result<(), ProblemError> {
        let (shape, bits) = (&self.shape, self.mask.bits);
        let words = bits.map_or(0, |bits| {
            let size = |each: bool, size: u32| u128::from(if each { size } else { 1 });
            let planes = size(bits.each_sequence, shape.batch) * size(bits.each_head, shape.heads);
            planes * u128::from(shape.q_len) * u128::from(shape.k_len.div_ceil(32))
        });
        if words > u128::from(u32::MAX) {
            return Err(ProblemError::TooLarge {
                tensor: Tensor::MaskBits,
                elements: words,
                maximum: u32::MAX.into(),
            });
        }
        Ok(())
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

    fn resolve_layouts(&self) -> Result<[Layout; 4], ProblemError> {
        let mut layouts = [Layout::default(); 4];
        for ((slot, tensor), chosen) in layouts.iter_mut().zip(STRIDED).zip(self.layouts) {
            let features = features(tensor, self.shape.head_dim, self.value_dim);
            *slot = match chosen {
                Some(layout) => layout,
                None => Layout::contiguous(tensor, &self.shape, features)?,
            };
            slot.validate(tensor, &self.shape, features)?;
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
