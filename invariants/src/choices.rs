//! Problems by chance: every bias, mask and layout, and numbers at the ends of their types.

use arbitrary::Arbitrary;
use relattn::{
    Bias, Direction, Dropout, Dtype, IndexFormat, Kerple, Layout, Paged, Problem, ProblemBuilder,
    ProblemError, RelativeBuckets, Scale, Shape, Tensor,
};

use crate::masks::MaskChoice;
use crate::numbers::{Number, Rare, Signed};

const STRIDED: [Tensor; 4] = [Tensor::Q, Tensor::K, Tensor::V, Tensor::Out];

#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Choices {
    batch: Number,
    kv_heads: Number,
    group: Number,
    odd_heads: Rare<Number>,
    q_len: Number,
    k_len: Number,
    head_dim: Number,
    value_dim: Rare<Number>,
    dtype: DtypeChoice,
    scale: Rare<ScaleChoice>,
    bias: Option<BiasChoice>,
    more: Rare<[BiasChoice; 2]>,
    gated: Rare<()>,
    dropout: Rare<(f32, u64)>,
    mask: MaskChoice,
    paged: Rare<(Number, Number)>,
    query_offset: Signed,
    layouts: Rare<[Rare<LayoutChoice>; 4]>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum DtypeChoice {
    F32,
    F16,
    Bf16,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum ScaleChoice {
    Unit,
    Value(f32),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum BiasChoice {
    None,
    Relative(u8, Rare<Number>, Number, bool),
    PerOffset(Number),
    Alibi,
    KerpleLog,
    KerplePower,
    Sandwich(Number),
    Fire(Number),
    Indexed(Number, Number, bool, FormatChoice),
    Dense(bool, bool),
    DenseStrided(LayoutChoice),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum FormatChoice {
    Words,
    Halves,
    Bytes,
}

/// Gaps behind what is contiguous, or any strides.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum LayoutChoice {
    Gaps([u8; 3]),
    Any([Number; 3]),
}

impl Choices {
    fn shape(&self) -> Shape {
        let heads = self.kv_heads.0.wrapping_mul(self.group.0);
        Shape {
            batch: if self.mask.is_packed() {
                1
            } else {
                self.batch.0
            },
            heads: self.odd_heads.0.map_or(heads, |Number(heads)| heads),
            kv_heads: self.kv_heads.0,
            q_len: self.q_len.0,
            k_len: self.k_len.0,
            head_dim: self.head_dim.0,
        }
    }

    /// The problem, or why there is none.
    pub(crate) fn problem(&self) -> Result<Problem, ProblemError> {
        let shape = self.shape();
        let value_dim = self.value_dim.0.map_or(shape.head_dim, |Number(dim)| dim);
        let mut builder = Problem::builder(shape)
            .value_dim(value_dim)
            .dtype(match self.dtype {
                DtypeChoice::F32 => Dtype::F32,
                DtypeChoice::F16 => Dtype::F16,
                DtypeChoice::Bf16 => Dtype::Bf16,
            })
            .gated(self.gated.0.is_some())
            .mask(self.mask.mask())
            .query_offset(self.query_offset.0);
        if let Some(scale) = self.scale.0 {
            builder = builder.scale(match scale {
                ScaleChoice::Unit => Scale::Unit,
                ScaleChoice::Value(value) => Scale::Value(value),
            });
        }
        for bias in self
            .bias
            .into_iter()
            .chain(self.more.0.into_iter().flatten())
        {
            builder = builder.add_bias(bias.bias(&shape)?);
        }
        if let Some((probability, seed)) = self.dropout.0 {
            builder = builder.dropout(Dropout { probability, seed });
        }
        if let Some((block_size, blocks)) = self.paged.0 {
            builder = builder.paged(Paged {
                block_size: block_size.0,
                blocks: blocks.0,
            });
        }
        self.laid_out(builder, &shape, value_dim)?.build()
    }

    fn laid_out(
        &self,
        mut builder: ProblemBuilder,
        shape: &Shape,
        value_dim: u32,
    ) -> Result<ProblemBuilder, ProblemError> {
        for (tensor, choice) in STRIDED
            .into_iter()
            .zip(self.layouts.0.into_iter().flatten())
        {
            let Some(choice) = choice.0 else {
                continue;
            };
            let features = match tensor {
                Tensor::V | Tensor::Out => value_dim,
                _ => shape.head_dim,
            };
            let sizes = match (tensor, self.paged.0) {
                (Tensor::K | Tensor::V, Some((block_size, blocks))) => {
                    [blocks.0, shape.kv_heads, block_size.0]
                }
                _ => shape.rows_of(tensor).unwrap_or_default(),
            };
            builder = builder.layout(tensor, choice.layout(sizes, features))?;
        }
        Ok(builder)
    }
}

impl BiasChoice {
    fn bias(self, shape: &Shape) -> Result<Bias, ProblemError> {
        Ok(match self {
            Self::None => Bias::None,
            Self::Relative(few, any, max_distance, causal) => Bias::Relative(RelativeBuckets {
                num_buckets: any.0.map_or(u32::from(few) % 48, |Number(any)| any),
                max_distance: max_distance.0,
                direction: if causal {
                    Direction::Causal
                } else {
                    Direction::Bidirectional
                },
            }),
            Self::PerOffset(Number(max_offset)) => Bias::PerOffset { max_offset },
            Self::Alibi => Bias::Alibi,
            Self::KerpleLog => Bias::Kerple(Kerple::Log),
            Self::KerplePower => Bias::Kerple(Kerple::Power),
            Self::Sandwich(Number(dimensions)) => Bias::Sandwich { dimensions },
            Self::Fire(Number(width)) => Bias::Fire { width },
            Self::Indexed(Number(rows), Number(matrices), each_sequence, format) => Bias::Indexed {
                rows,
                matrices,
                each_sequence,
                format: match format {
                    FormatChoice::Words => IndexFormat::U32,
                    FormatChoice::Halves => IndexFormat::U16,
                    FormatChoice::Bytes => IndexFormat::U8,
                },
            },
            Self::Dense(each_sequence, each_head) => {
                Bias::Dense(Layout::dense_bias(shape, each_sequence, each_head)?)
            }
            Self::DenseStrided(choice) => {
                let sizes = [shape.batch, shape.heads, shape.q_len];
                Bias::Dense(choice.layout(sizes, shape.k_len))
            }
        })
    }
}

impl LayoutChoice {
    fn layout(self, [_, heads, rows]: [u32; 3], features: u32) -> Layout {
        match self {
            Self::Gaps(gaps) => {
                let gaps = gaps.map(u32::from);
                let row = features.wrapping_add(gaps[0]);
                let head = row.wrapping_mul(rows).wrapping_add(gaps[1]);
                let batch = head.wrapping_mul(heads).wrapping_add(gaps[2]);
                Layout { batch, head, row }
            }
            Self::Any([batch, head, row]) => Layout {
                batch: batch.0,
                head: head.0,
                row: row.0,
            },
        }
    }
}
