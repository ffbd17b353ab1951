//! Lengths, offsets and families by chance: what compiles no other kernel.

use rand::Rng;
use relattn::{
    Bias, Bits, Dropout, IndexFormat, Kerple, Layout, Mask, Packed, Paged, Problem, ProblemBuilder,
    RelativeBuckets, Shape, Tensor, Window,
};

use crate::choices::{Choice, Lengths, Storage, Terms};

/// One of the problems of a [`Choice`].
#[derive(Clone, Copy, Debug)]
pub struct Drawn {
    /// Sequences; 1 of a packed batch.
    pub batch: u32,
    /// Heads of keys.
    pub kv_heads: u32,
    /// Nq.
    pub q_len: u32,
    /// Nk.
    pub k_len: u32,
    /// The position of query row 0.
    pub query_offset: i32,
    /// The position of key row 0, but in a packed batch.
    pub key_offset: u32,
    /// How far a window reaches before and behind the query.
    pub window: [u32; 2],
    /// Which bias by offset, and what masks and indices share; below 9.
    pub family: u32,
    /// Of dropout.
    pub seed: u64,
}

impl Drawn {
    /// Small, and valid for every choice.
    pub(crate) const SMALL: Self = Self {
        batch: 1,
        kv_heads: 1,
        q_len: 9,
        k_len: 9,
        query_offset: 0,
        key_offset: 0,
        window: [1, 1],
        family: 0,
        seed: 1,
    };

    /// The next problem of a generator.
    pub fn next(choice: &Choice, rng: &mut impl Rng) -> Self {
        Self {
            batch: match choice.lengths {
                Lengths::Packed => 1,
                _ => rng.random_range(1..3),
            },
            kv_heads: rng.random_range(1..3),
            q_len: match choice.few_rows {
                true => rng.random_range(5..17),
                false => rng.random_range(17..150),
            },
            k_len: rng.random_range(1..160),
            query_offset: rng.random_range(-90..160),
            key_offset: rng.random_range(0..40),
            window: [rng.random_range(0..80), rng.random_range(0..80)],
            family: rng.random_range(0..9),
            seed: rng.random(),
        }
    }

    /// The problem.
    ///
    /// # Panics
    /// For a choice that is not valid.
    #[must_use]
    pub fn problem(&self, choice: &Choice) -> Problem {
        let shape = Shape {
            batch: self.batch,
            heads: self.kv_heads * if choice.grouped { 2 } else { 1 },
            kv_heads: self.kv_heads,
            q_len: self.q_len,
            k_len: self.k_len,
            head_dim: choice.head_dim,
        };
        let mut builder = Problem::builder(shape)
            .mask(self.mask(choice))
            .query_offset(self.query_offset)
            .key_offset(match choice.lengths {
                Lengths::Packed => 0,
                _ => self.key_offset,
            })
            .dtype(choice.dtype)
            .value_dim(choice.value_dim())
            .gated(choice.bias == Terms::Gated);
        for bias in self.biases(choice, &shape) {
            builder = builder.add_bias(bias);
        }
        if choice.dropout {
            builder = builder.dropout(Dropout {
                probability: 0.2,
                seed: self.seed,
            });
        }
        let builder = match choice.storage {
            Storage::Contiguous => builder,
            Storage::Strided => strided(builder, &shape, choice.value_dim()),
            Storage::Paged => builder.paged(Paged {
                block_size: 16,
                blocks: self.batch * self.k_len.div_ceil(16) + 3,
            }),
        };
        builder.build().expect("a valid problem")
    }

    fn biases(&self, choice: &Choice, shape: &Shape) -> Vec<Bias> {
        let dense = || Bias::Dense(Layout::dense_bias(shape, false, true).expect("small"));
        match choice.bias {
            Terms::None => Vec::new(),
            Terms::ByOffset | Terms::Gated => by_offset(self.family),
            Terms::Index => vec![Bias::Indexed {
                rows: 20,
                matrices: 2,
                each_sequence: self.family.is_multiple_of(2),
                format: IndexFormat::U16,
            }],
            Terms::Dense => vec![dense()],
            Terms::Fire => vec![Bias::Fire { width: 8 }],
            Terms::ByOffsetAndDense => {
                let mut sum = by_offset(self.family);
                sum.push(dense());
                sum
            }
        }
    }

    fn mask(&self, choice: &Choice) -> Mask {
        let [left, right] = self.window;
        Mask {
            causal: choice.causal,
            keys: choice.keys,
            key_lengths: choice.lengths == Lengths::Both,
            query_lengths: choice.lengths == Lengths::Both,
            documents: choice.documents,
            bits: choice.bits.then_some(Bits {
                each_sequence: self.family.is_multiple_of(2),
                each_head: self.family.is_multiple_of(3),
            }),
            window: choice.window.then_some(Window { left, right }),
            packed: (choice.lengths == Lengths::Packed).then_some(Packed { sequences: 4 }),
        }
    }
}

/// Every family by offset, and sums of two.
fn by_offset(family: u32) -> Vec<Bias> {
    let per_offset = Bias::PerOffset { max_offset: 19 };
    let encoder = Bias::Relative(RelativeBuckets::t5_encoder());
    match family {
        0 => vec![encoder],
        1 => vec![Bias::Relative(RelativeBuckets::t5_decoder())],
        2 => vec![per_offset],
        3 => vec![Bias::Alibi],
        4 => vec![Bias::Kerple(Kerple::Log)],
        5 => vec![Bias::Kerple(Kerple::Power)],
        6 => vec![Bias::Sandwich { dimensions: 6 }],
        7 => vec![per_offset, Bias::Alibi],
        _ => vec![encoder, Bias::Kerple(Kerple::Log)],
    }
}

/// `[B, N, H, D]` with gaps behind rows and sequences.
fn strided(builder: ProblemBuilder, shape: &Shape, value_dim: u32) -> ProblemBuilder {
    let tensors = [
        (Tensor::Q, shape.head_dim),
        (Tensor::K, shape.head_dim),
        (Tensor::V, value_dim),
        (Tensor::Out, value_dim),
    ];
    tensors
        .into_iter()
        .fold(builder, |builder, (tensor, features)| {
            let [_, heads, rows] = shape.rows_of(tensor).expect("a tensor with rows");
            let row = heads * features + 2;
            let layout = Layout {
                batch: rows * row + 4,
                head: features,
                row,
            };
            builder
                .layout(tensor, layout)
                .expect("a tensor with a layout")
        })
}
