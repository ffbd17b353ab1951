//! Biases, masks, shapes, layouts and types two by two: a covering array of kernels, each with random lengths, offsets and numbers,
//! on every adapter against the oracle.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::compare::Reference;
use harness::covering::{Combination, covering, has, pairs};
use harness::data::Data;
use harness::device::run;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use relattn::plan::choose;
use relattn::{
    Bias, Bits, Capabilities, Context, Dtype, IndexFormat, Kerple, Layout, Limit, Mask, Packed,
    Paged, Problem, ProblemBuilder, RelativeBuckets, Shape, Tensor, Window,
};

const D: u32 = 8;
/// Of each kernel.
const CASES: u32 = 2;

/// Levels of each factor, in the order of [`Choice`].
const LEVELS: [usize; 12] = [7, 2, 2, 2, 3, 2, 2, 2, 2, 2, 3, 3];

/// A combination by name. What fills the table by offset compiles no other kernel, and is thus left to chance.
#[derive(Clone, Copy, Debug)]
struct Choice {
    bias: Terms,
    causal: bool,
    window: bool,
    keys: bool,
    lengths: Lengths,
    documents: bool,
    bits: bool,
    few_rows: bool,
    grouped: bool,
    value_dim: u32,
    storage: Storage,
    dtype: Dtype,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Terms {
    None,
    ByOffset,
    Gated,
    Index,
    Dense,
    Fire,
    ByOffsetAndDense,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lengths {
    Full,
    /// Of keys and of queries.
    Both,
    Packed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Storage {
    Contiguous,
    Strided,
    Paged,
}

impl Choice {
    fn of(levels: &[usize]) -> Self {
        use Terms::{ByOffset, ByOffsetAndDense, Dense, Fire, Gated, Index, None};
        let set = |factor: usize| levels[factor] == 1;
        Self {
            bias: [None, ByOffset, Gated, Index, Dense, Fire, ByOffsetAndDense][levels[0]],
            causal: set(1),
            window: set(2),
            keys: set(3),
            lengths: [Lengths::Full, Lengths::Both, Lengths::Packed][levels[4]],
            documents: set(5),
            bits: set(6),
            few_rows: set(7),
            grouped: set(8),
            value_dim: [D, 12][levels[9]],
            storage: [Storage::Contiguous, Storage::Strided, Storage::Paged][levels[10]],
            dtype: [Dtype::F32, Dtype::F16, Dtype::Bf16][levels[11]],
        }
    }

    /// A packed batch has no paged cache; all else goes together.
    fn is_valid(&self) -> bool {
        self.lengths != Lengths::Packed || self.storage != Storage::Paged
    }

    /// Whether a device binds all of it.
    fn fits(&self, capabilities: &Capabilities) -> bool {
        let drawn = Drawn {
            batch: 1,
            kv_heads: 1,
            q_len: 9,
            k_len: 9,
            query_offset: 0,
            window: [1, 1],
            family: 0,
        };
        match choose(&drawn.problem(self), capabilities) {
            Ok(_) => true,
            Err(relattn::Error::DeviceLimit {
                limit: Limit::StorageBuffers,
                ..
            }) => false,
            Err(error) => panic!("{self:?}: {error}"),
        }
    }
}

/// What compiles nothing.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    batch: u32,
    kv_heads: u32,
    q_len: u32,
    k_len: u32,
    query_offset: i32,
    window: [u32; 2],
    family: usize,
}

fn drawn(choice: &Choice) -> impl Strategy<Value = Drawn> + use<> {
    let queries = if choice.few_rows { 5..17 } else { 17..150_u32 };
    let batch = if choice.lengths == Lengths::Packed {
        1..2_u32
    } else {
        1..3
    };
    let sizes = (batch, 1..3_u32, queries, 1..160_u32);
    let places = (-90..160_i32, [0..80_u32, 0..80_u32], 0..9_usize);
    (sizes, places).prop_map(
        |((batch, kv_heads, q_len, k_len), (query_offset, window, family))| Drawn {
            batch,
            kv_heads,
            q_len,
            k_len,
            query_offset,
            window,
            family,
        },
    )
}

/// Every family by offset, and sums of two.
fn by_offset(family: usize) -> Vec<Bias> {
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

impl Drawn {
    fn shape(&self, choice: &Choice) -> Shape {
        Shape {
            batch: self.batch,
            heads: self.kv_heads * if choice.grouped { 2 } else { 1 },
            kv_heads: self.kv_heads,
            q_len: self.q_len,
            k_len: self.k_len,
            head_dim: D,
        }
    }

    fn problem(&self, choice: &Choice) -> Problem {
        let shape = self.shape(choice);
        let biases = self.biases(choice, &shape);
        let builder = Problem::builder(shape)
            .mask(self.mask(choice))
            .query_offset(self.query_offset)
            .dtype(choice.dtype)
            .value_dim(choice.value_dim)
            .gated(choice.bias == Terms::Gated);
        let builder = biases
            .into_iter()
            .fold(builder, |builder, bias| builder.add_bias(bias));
        let builder = match choice.storage {
            Storage::Contiguous => builder,
            Storage::Strided => strided(builder, &shape, choice.value_dim),
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

/// `[B, N, H, D]` with gaps behind rows and sequences.
fn strided(builder: ProblemBuilder, shape: &Shape, value_dim: u32) -> ProblemBuilder {
    let tensors = [
        (Tensor::Q, D),
        (Tensor::K, D),
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

fn combinations() -> Vec<Combination> {
    let valid = |levels: &[usize]| Choice::of(levels).is_valid();
    covering(&LEVELS, valid, |levels| {
        Choice::of(levels).fits(&Capabilities::WEBGPU_DEFAULT)
    })
}

/// Every two choices meet but the two that contradict each other.
#[test]
fn the_combinations_cover_all_pairs() {
    let combinations = combinations();
    assert!(combinations.len() <= 44, "{} kernels", combinations.len());
    println!("{} kernels", combinations.len());
    let covered = |pair| combinations.iter().any(|found| has(found, pair));
    let pairs = pairs(&LEVELS);
    let apart: Vec<_> = pairs.iter().filter(|pair| !covered(pair)).collect();
    assert_eq!(apart, [&[(4, 2), (10, 2)]]);
}

/// The adapters that have a kernel for a choice; the others are named, and do not count.
fn supporting<'a>(
    contexts: &'a [(String, Context)],
    choice: &Choice,
) -> Vec<&'a (String, Context)> {
    let (fit, others): (Vec<_>, Vec<_>) = contexts
        .iter()
        .partition(|(_, context)| choice.fits(&context.capabilities()));
    for (adapter, _) in others {
        println!("{adapter}: unsupported: too many storage buffers: {choice:?}");
    }
    fit
}

fn check(contexts: &[&(String, Context)], problem: &Problem, seed: u32) -> Result<(), String> {
    let data = Data::generate(problem, seed);
    let reference = Reference::new(problem, &data.inputs());
    for (adapter, context) in contexts {
        let forward = context
            .forward(problem)
            .map_err(|error| error.to_string())?;
        run(context, &forward, problem, &data)
            .and_then(|found| reference.check(&found))
            .map_err(|error| format!("{adapter}: {error}"))?;
    }
    Ok(())
}

#[test]
fn every_two_choices_go_together() {
    let contexts = contexts();
    let combinations = combinations();
    let mut runs = vec![0; contexts.len()];
    for combination in &combinations {
        let choice = Choice::of(combination);
        let supporting = supporting(&contexts, &choice);
        for (run, (adapter, _)) in runs.iter_mut().zip(&contexts) {
            *run += usize::from(supporting.iter().any(|(name, _)| name == adapter));
        }
        random_cases(&supporting, &choice);
    }
    for (run, (adapter, _)) in runs.iter().zip(&contexts) {
        println!("{adapter}: {run} of {} kernels", combinations.len());
        assert!(2 * run > combinations.len(), "{adapter}: {run}");
    }
}

fn random_cases(contexts: &[&(String, Context)], choice: &Choice) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let cases = (drawn(choice), 1..1000_u32);
    // The same draws in every run, so that a failure can be looked at again.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, rng).run(&cases, |(drawn, seed)| {
        check(contexts, &drawn.problem(choice), seed).map_err(TestCaseError::fail)
    });
    outcome.unwrap_or_else(|error| panic!("{choice:?}: {error}"));
}
