//! Decoding over a cache, some rows a step with one bound pass, against the causal pass over all rows.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::shared;
use harness::compare::Reference;
use harness::data::Data;
use harness::device::bits;
use harness::placed::Placed;
use relattn::cpu::Outputs;
use relattn::plan::{Algorithm, Forward};
use relattn::{
    Bias, Context, Mask, Paged, PositionError, Problem, ProblemBuilder, RelativeBuckets, Shape,
    Tensor,
};

const T5: Bias = Bias::Relative(RelativeBuckets::t5_decoder());
/// Where the first step stands; keys of the prompt are there.
const PROMPT: u32 = 110;
/// Rows that the steps make together.
const ROWS: u32 = 24;
const CAPACITY: u32 = 200;

/// What is decoded, by so many rows a step.
#[derive(Clone, Copy, Debug)]
struct Loop {
    bias: Bias,
    mask: Mask,
    paged: bool,
    rows: u32,
}

const LENGTHS: Mask = Mask {
    key_lengths: true,
    ..Mask::CAUSAL
};

impl Loop {
    fn builder(&self, q_len: u32, k_len: u32, query_offset: u32) -> ProblemBuilder {
        let shape = Shape {
            batch: 2,
            heads: 4,
            kv_heads: 2,
            q_len,
            k_len,
            head_dim: 8,
        };
        let offset = i32::try_from(query_offset).expect("a small position");
        Problem::builder(shape)
            .bias(self.bias)
            .mask(self.mask)
            .query_offset(offset)
    }

    /// Every row at once, without a cache.
    fn whole(&self) -> Problem {
        let built = self.builder(ROWS, PROMPT + ROWS, PROMPT);
        built.build().expect("a valid problem")
    }

    /// One step, at the last position of the cache.
    fn step(&self) -> Problem {
        let mut built = self.builder(self.rows, CAPACITY, CAPACITY - self.rows);
        if self.paged {
            built = built.paged(Paged {
                block_size: 16,
                blocks: 2 * CAPACITY.div_ceil(16) + 3,
            });
        }
        built.build().expect("a valid problem")
    }

    fn steps(&self) -> u32 {
        ROWS / self.rows
    }
}

/// Both ends of a loop: the rows of the whole, and the step's tensors.
struct Run<'a> {
    context: &'a Context,
    whole: Problem,
    step: Problem,
    data: Data,
    blocks: Option<Vec<u32>>,
    placed: Placed,
    bound: relattn::plan::Bound,
}

impl<'a> Run<'a> {
    fn new(context: &'a Context, decoded: &Loop, splits: Option<u32>) -> Self {
        let (whole, step) = (decoded.whole(), decoded.step());
        let data = Data::generate(&whole, 5);
        let mut step_data = Data::generate(&step, 5);
        step_data.table.clone_from(&data.table);
        step_data.key_lengths.clone_from(&data.key_lengths);
        let forward = kernel(context, &step, splits);
        let placed = Placed::new(context, &step, &step_data);
        let bound = placed.bind(&forward).expect("buffers that fit");
        Self {
            context,
            whole,
            step,
            data,
            blocks: step_data.block_table,
            placed,
            bound,
        }
    }

    /// The result of the rows from `first` on, of which the cache holds the keys and nothing behind them.
    fn step(&self, first: u32) -> Outputs {
        let rows = self.step.shape().q_len;
        let keys = PROMPT + first + rows;
        let position = i32::try_from(PROMPT + first).expect("a small position");
        let queries = self.queries(first);
        self.placed.write(self.context, Tensor::Q, &queries);
        for (tensor, all) in [(Tensor::K, &self.data.k), (Tensor::V, &self.data.v)] {
            let cache = self.cache(tensor, all, keys);
            self.placed.write(self.context, tensor, &cache);
        }
        let moved = self
            .bound
            .set_position(self.context.queue(), position, keys);
        moved.expect("a position within the cache");
        self.run()
    }

    fn run(&self) -> Outputs {
        self.placed
            .run(self.context, &self.bound)
            .expect("a result")
    }

    fn queries(&self, first: u32) -> Vec<f32> {
        let mut queries = vec![0.0; harness::elements(&self.step, Tensor::Q)];
        self.each_row(first, |at, from| {
            queries[at * 8..][..8].copy_from_slice(&self.data.q[from * 8..][..8]);
        });
        queries
    }

    /// Where each row of the step lies, and where among the rows of the whole.
    fn each_row(&self, first: u32, mut visit: impl FnMut(usize, usize)) {
        let rows = self.step.shape().q_len as usize;
        for sequence in 0..8 {
            for r in 0..rows {
                visit(
                    sequence * rows + r,
                    sequence * ROWS as usize + first as usize + r,
                );
            }
        }
    }

    /// The cache with this many keys, and what is no number behind them.
    fn cache(&self, tensor: Tensor, all: &[f32], keys: u32) -> Vec<f32> {
        let mut cache = vec![f32::NAN; harness::elements(&self.step, tensor)];
        let from = self.whole.layout(tensor).expect("a layout");
        let to = self.step.layout(tensor).expect("a layout");
        for b in 0..2 {
            for head in 0..2 {
                for j in 0..keys as usize {
                    let [block, place] = self.place(b, j);
                    let row = &all[from.start(b, head, j)..][..8];
                    cache[to.start(block, head, place)..][..8].copy_from_slice(row);
                }
            }
        }
        cache
    }

    fn place(&self, b: usize, j: usize) -> [usize; 2] {
        let Some(blocks) = &self.blocks else {
            return [b, j];
        };
        let width = (CAPACITY as usize).div_ceil(16);
        [blocks[b * width + j / 16] as usize, j % 16]
    }

    /// All steps, put together as the whole has its rows.
    fn all(&self) -> Outputs {
        let count = harness::elements(&self.whole, Tensor::Lse);
        let mut outputs = Outputs {
            out: vec![f32::NAN; 8 * count],
            lse: vec![f32::NAN; count],
        };
        let rows = self.step.shape().q_len;
        for first in (0..ROWS).step_by(rows as usize) {
            let found = self.step(first);
            self.each_row(first, |from, at| {
                outputs.out[at * 8..][..8].copy_from_slice(&found.out[from * 8..][..8]);
                outputs.lse[at] = found.lse[from];
            });
        }
        outputs
    }
}

fn kernel(context: &Context, problem: &Problem, splits: Option<u32>) -> Forward {
    let forward = context.forward(problem).expect("a kernel");
    match splits {
        Some(splits) => forward.with_splits(splits),
        None => forward,
    }
}

#[test]
fn steps_equal_the_rows_of_the_whole() {
    let decoded = |bias, mask, paged| {
        [1, 3].map(|rows| Loop {
            bias,
            mask,
            paged,
            rows,
        })
    };
    let loops = [
        decoded(T5, Mask::CAUSAL, false),
        decoded(Bias::Alibi, Mask::CAUSAL, false),
        decoded(Bias::None, LENGTHS, false),
        decoded(T5, LENGTHS, true),
    ];
    for (adapter, context) in shared().iter() {
        for decoded in loops.iter().flatten() {
            let run = Run::new(context, decoded, None);
            let reference = Reference::new(&run.whole, &run.data.inputs());
            let share = reference.check(&run.all());
            share.unwrap_or_else(|error| panic!("{adapter}: {decoded:?}: {error}"));
        }
    }
}

/// A mask that hides nothing shows whether keys past those that are there count.
#[test]
fn a_step_of_one_row_needs_no_causal_mask() {
    for (adapter, context) in shared().iter() {
        let causal = Loop {
            bias: T5,
            mask: Mask::CAUSAL,
            paged: false,
            rows: 1,
        };
        let open = Loop {
            mask: Mask::NONE,
            ..causal
        };
        let run = Run::new(context, &open, None);
        let reference = Reference::new(&causal.whole(), &run.data.inputs());
        let share = reference.check(&run.all());
        share.unwrap_or_else(|error| panic!("{adapter}: {error}"));
    }
}

/// Steps of more rows than the decoding kernel is for take the others, which move on in the same way.
#[test]
fn steps_of_many_rows_equal_the_rows_of_the_whole() {
    for (adapter, context) in shared().iter() {
        let decoded = Loop {
            bias: T5,
            mask: LENGTHS,
            paged: true,
            rows: ROWS,
        };
        let forward = kernel(context, &decoded.step(), None);
        assert_ne!(forward.variant().algorithm, Algorithm::Decode);
        let run = Run::new(context, &decoded, None);
        let reference = Reference::new(&run.whole, &run.data.inputs());
        let share = reference.check(&run.all());
        share.unwrap_or_else(|error| panic!("{adapter}: {error}"));
    }
}

/// A workgroup merges 64 vectors of four features, so that these rows take two.
#[test]
fn parts_of_wide_rows_are_merged() {
    for (adapter, context) in shared().iter() {
        let shape = Shape {
            batch: 1,
            heads: 2,
            kv_heads: 1,
            q_len: 3,
            k_len: 40,
            head_dim: 96,
        };
        let built = Problem::builder(shape).bias(T5).mask(Mask::CAUSAL);
        let problem = built.query_offset(37).build().expect("a valid problem");
        let data = Data::generate(&problem, 6);
        let forward = kernel(context, &problem, Some(3));
        assert_eq!(forward.variant().algorithm, Algorithm::Decode);
        let placed = Placed::new(context, &problem, &data);
        let bound = placed.bind(&forward).expect("buffers that fit");
        let outputs = placed.run(context, &bound).expect("a result");
        let share = Reference::new(&problem, &data.inputs()).check(&outputs);
        share.unwrap_or_else(|error| panic!("{adapter}: {error}"));
    }
}

#[test]
fn any_number_of_parts_gives_the_same() {
    for (adapter, context) in shared().iter() {
        for (bias, rows) in [(T5, 1), (Bias::Alibi, 3)] {
            let decoded = Loop {
                bias,
                mask: LENGTHS,
                paged: false,
                rows,
            };
            for splits in [1, 2, 3, 7, 64] {
                let run = Run::new(context, &decoded, Some(splits));
                let forward = kernel(context, &run.step, Some(splits));
                assert_eq!(forward.splits(), splits);
                let reference = Reference::new(&run.whole, &run.data.inputs());
                let share = reference.check(&run.all());
                share.unwrap_or_else(|error| panic!("{adapter}: {splits} parts: {error}"));
            }
        }
    }
}

#[test]
fn a_refused_position_changes_nothing() {
    for (adapter, context) in shared().iter() {
        let decoded = Loop {
            bias: Bias::Alibi,
            mask: Mask::CAUSAL,
            paged: false,
            rows: 1,
        };
        let run = Run::new(context, &decoded, None);
        let before = run.step(decoded.steps() / 2);
        let refused = |offset, keys| run.bound.set_position(context.queue(), offset, keys);
        let keys = PositionError::Keys {
            found: CAPACITY + 1,
            capacity: CAPACITY,
        };
        assert_eq!(refused(3, CAPACITY + 1), Err(keys), "{adapter}");
        for (position, found) in [(CAPACITY, CAPACITY), (1 << 20, 1 << 20)] {
            let offset = i32::try_from(position).expect("a small position");
            let error = PositionError::Offset {
                found: found.into(),
                maximum: CAPACITY - 1,
            };
            assert_eq!(refused(offset, CAPACITY), Err(error), "{adapter}");
        }
        let after = run.run();
        assert_eq!(bits(&before.out), bits(&after.out), "{adapter}");
        assert_eq!(bits(&before.lse), bits(&after.lse), "{adapter}");
    }
}
