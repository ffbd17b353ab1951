//! Mistakes that other implementations of biased attention have made, each as a test: the result must be right, and it must not be
//! what the mistake makes of the same numbers.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::shared;
use harness::compare::Reference;
use harness::data::Data;
use harness::device::run;
use relattn::cpu::{Oracle, Outputs};
use relattn::{Bias, Layout, Mask, Problem, RelativeBuckets, Shape, Tensor};

const D: usize = 8;
const ENCODER: Bias = Bias::Relative(RelativeBuckets::t5_encoder());
const DECODER: Bias = Bias::Relative(RelativeBuckets::t5_decoder());

/// A problem and its tensors.
struct Case {
    problem: Problem,
    data: Data,
}

impl Case {
    fn new(sizes: [u32; 5], bias: Bias, mask: Mask, query_offset: i32) -> Self {
        let problem = problem(sizes, bias, mask, query_offset);
        let data = Data::generate(&problem, 11);
        Self { problem, data }
    }

    /// The same tensors in another problem.
    fn taken_for(&self, problem: Problem) -> Self {
        let mut data = self.data.clone();
        if problem.table_rows() == 0 {
            data.table = None;
        }
        if problem.elements(Tensor::Bias) == 0 {
            data.bias = None;
        }
        Self { problem, data }
    }

    fn reference(&self) -> Reference {
        Reference::new(&self.problem, &self.data.inputs())
    }

    /// Checks that every device has the right result, and none of the mistakes.
    fn is_none_of(&self, mistakes: &[Self]) {
        let right = self.reference();
        let mistakes: Vec<_> = mistakes.iter().map(Self::reference).collect();
        for (adapter, found) in self.results() {
            let share = right.check(&found);
            share.unwrap_or_else(|error| panic!("{adapter}: {error}"));
            for mistake in &mistakes {
                assert!(
                    mistake.check(&found).is_err(),
                    "{adapter}: the mistake looks right"
                );
            }
        }
    }

    fn results(&self) -> Vec<(String, Outputs)> {
        let contexts = shared();
        let results = contexts.iter().map(|(adapter, context)| {
            let forward = context.forward(&self.problem).expect("a kernel");
            let found = run(context, &forward, &self.problem, &self.data);
            (adapter.clone(), found.expect("a result"))
        });
        results.collect()
    }
}

/// Sizes are batch, heads, key/value heads, queries and keys.
fn problem(
    [batch, heads, kv_heads, q_len, k_len]: [u32; 5],
    bias: Bias,
    mask: Mask,
    query_offset: i32,
) -> Problem {
    let shape = Shape {
        batch,
        heads,
        kv_heads,
        q_len,
        k_len,
        head_dim: 8,
    };
    let builder = Problem::builder(shape).bias(bias).mask(mask);
    let built = builder.query_offset(query_offset).build();
    built.expect("a valid problem")
}

#[test]
fn a_decoder_does_not_take_the_buckets_of_an_encoder() {
    let sizes = [1, 2, 2, 150, 150];
    for (bias, other) in [(DECODER, ENCODER), (ENCODER, DECODER)] {
        let case = Case::new(sizes, bias, Mask::CAUSAL, 0);
        let mistake = case.taken_for(problem(sizes, other, Mask::CAUSAL, 0));
        case.is_none_of(&[mistake]);
    }
}

#[test]
fn the_bias_is_not_dropped_where_there_is_a_cache() {
    let sizes = [2, 2, 2, 1, 150];
    for bias in [DECODER, Bias::Alibi] {
        let case = Case::new(sizes, bias, Mask::CAUSAL, 149);
        let dropped = case.taken_for(problem(sizes, Bias::None, Mask::CAUSAL, 149));
        let at_the_start = case.taken_for(problem(sizes, bias, Mask::NONE, 0));
        case.is_none_of(&[dropped, at_the_start]);
    }
}

#[test]
fn a_dense_bias_that_is_shared_by_strides_of_zero_is_read() {
    let sizes = [2, 2, 2, 70, 90];
    let shape = *problem(sizes, Bias::None, Mask::NONE, 0).shape();
    for [each_sequence, each_head] in [[false, false], [true, false], [false, true]] {
        let layout = Layout::dense_bias(&shape, each_sequence, each_head).expect("small");
        let case = Case::new(sizes, Bias::Dense(layout), Mask::NONE, 0);
        let ignored = case.taken_for(problem(sizes, Bias::None, Mask::NONE, 0));
        case.is_none_of(&[ignored]);
    }
}

/// The bias of T5's encoder on keys before `end` alone.
fn on_first_keys(case: &Case, end: usize) -> Case {
    let shape = *case.problem.shape();
    let layout = Layout::dense_bias(&shape, false, true).expect("small");
    let mut mistake = case.taken_for(problem(
        [
            shape.batch,
            shape.heads,
            shape.kv_heads,
            shape.q_len,
            shape.k_len,
        ],
        Bias::Dense(layout),
        case.problem.mask(),
        0,
    ));
    let table = case.data.table.as_deref().expect("a table");
    let heads = shape.heads as usize;
    let bias = |head: usize, i: usize, j: usize| {
        let distance = |n: usize| i64::try_from(n).expect("a small index");
        let bucket = Oracle::bucket(&RelativeBuckets::t5_encoder(), distance(j) - distance(i));
        if j < end {
            table[bucket as usize * heads + head]
        } else {
            0.0
        }
    };
    let places = (0..heads).flat_map(|head| (0..shape.q_len as usize).map(move |i| [head, i]));
    let keys = 0..shape.k_len as usize;
    let all = places.flat_map(|[head, i]| keys.clone().map(move |j| [head, i, j]));
    mistake.data.bias = Some(all.map(|[head, i, j]| bias(head, i, j)).collect());
    mistake
}

#[test]
fn the_bias_is_not_on_the_first_key_tile_alone() {
    let case = Case::new([1, 2, 2, 140, 300], ENCODER, Mask::NONE, 0);
    let everywhere = on_first_keys(&case, 300);
    let first = [8, 32, 64].map(|tile| on_first_keys(&case, tile));
    case.is_none_of(&first);
    // That the mistake is told from the right numbers shows only if its form may be right.
    for (adapter, found) in case.results() {
        let share = everywhere.reference().check(&found);
        share.unwrap_or_else(|error| panic!("{adapter}: {error}"));
    }
}

/// With subgroups of any size and without them the same comes out, as far as their order of adding allows.
#[test]
fn no_size_of_subgroups_is_assumed() {
    let case = Case::new([2, 2, 2, 140, 300], ENCODER, Mask::NONE, 0);
    let [out, lse] = case.reference().bound();
    let results = case.results();
    let (_, first) = &results[0];
    for (adapter, found) in &results {
        println!("{adapter}");
        for (bound, first, found) in [(out, &first.out, &found.out), (lse, &first.lse, &found.lse)]
        {
            let mut pairs = first.iter().zip(found);
            let near = |(x, y): (&f32, &f32)| f64::from((x - y).abs()) <= 2.0 * bound;
            assert!(pairs.all(near), "{adapter}");
        }
    }
    case.is_none_of(&[]);
}

#[test]
fn every_head_has_its_own_bias() {
    let case = Case::new([1, 6, 2, 140, 150], ENCODER, Mask::NONE, 0);
    let mut first = case.taken_for(case.problem.clone());
    let table = first.data.table.as_mut().expect("a table");
    for row in table.chunks_exact_mut(6) {
        row.fill(row[0]);
    }
    case.is_none_of(&[first]);
}

#[test]
fn keys_past_a_multiple_of_the_tile_count() {
    for k_len in [1, 7, 9, 63, 65, 127, 129, 193] {
        let sizes = [1, 2, 2, 40, k_len];
        let case = Case::new(sizes, ENCODER, Mask::NONE, 0);
        let lengths = Mask {
            key_lengths: true,
            ..Mask::NONE
        };
        let mut last_dropped = case.taken_for(problem(sizes, ENCODER, lengths, 0));
        last_dropped.data.key_lengths = Some(vec![k_len - 1]);
        case.is_none_of(&[last_dropped, with_a_key_of_zeros(&case)]);
    }
}

/// As if rows past the last were keys of zeros.
fn with_a_key_of_zeros(case: &Case) -> Case {
    let shape = *case.problem.shape();
    let sizes = [
        shape.batch,
        shape.heads,
        shape.kv_heads,
        shape.q_len,
        shape.k_len + 1,
    ];
    let mut mistake = case.taken_for(problem(sizes, ENCODER, Mask::NONE, 0));
    for tensor in [&mut mistake.data.k, &mut mistake.data.v] {
        let heads = tensor.chunks_exact(shape.k_len as usize * D);
        *tensor = heads.flat_map(|head| [head, &[0.0; D]].concat()).collect();
    }
    mistake
}

/// Softmax of the scaled products and nothing else, in f64.
fn plain(case: &Case, [head, i]: [usize; 2]) -> [f64; D] {
    let shape = case.problem.shape();
    let row = |values: &[f32], row: usize| -> [f64; D] {
        std::array::from_fn(|d| values[row * D + d].into())
    };
    let query = row(&case.data.q, head * shape.q_len as usize + i);
    let keys = (0..shape.k_len as usize).map(|j| head * shape.k_len as usize + j);
    let weights: Vec<f64> = keys
        .clone()
        .map(|key| {
            let products = query.iter().zip(row(&case.data.k, key));
            let product: f64 = products.map(|(x, y)| x * y).sum();
            (product / 8.0_f64.sqrt()).exp()
        })
        .collect();
    let total: f64 = weights.iter().sum();
    let mut out = [0.0; D];
    for (key, weight) in keys.zip(&weights) {
        for (sum, value) in out.iter_mut().zip(row(&case.data.v, key)) {
            *sum += weight / total * value;
        }
    }
    out
}

#[test]
fn cross_attention_has_no_bias() {
    for q_len in [5, 90] {
        let case = Case::new([1, 2, 2, q_len, 170], Bias::None, Mask::NONE, 0);
        let [bound, _] = case.reference().bound();
        for (adapter, found) in case.results() {
            for (row, found) in found.out.chunks_exact(D).enumerate() {
                let place = [row / q_len as usize, row % q_len as usize];
                for (right, &found) in plain(&case, place).iter().zip(found) {
                    assert!(
                        (right - f64::from(found)).abs() <= bound,
                        "{adapter}: {place:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn sequences_of_many_tiles_keep_apart() {
    let case = Case::new([3, 2, 1, 200, 170], ENCODER, Mask::NONE, 0);
    let first = |values: &[f32]| values[..values.len() / 3].repeat(3);
    let mut mistakes = [(); 3].map(|()| case.taken_for(case.problem.clone()));
    mistakes[0].data.q = first(&case.data.q);
    mistakes[1].data.k = first(&case.data.k);
    mistakes[2].data.v = first(&case.data.v);
    case.is_none_of(&mistakes);
}

#[test]
fn the_query_offset_counts() {
    for (sizes, bias) in [
        ([1, 2, 2, 90, 200], ENCODER),
        ([1, 2, 2, 3, 200], Bias::Alibi),
    ] {
        let case = Case::new(sizes, bias, Mask::NONE, 110);
        let ignored = case.taken_for(problem(sizes, bias, Mask::NONE, 0));
        let reversed = case.taken_for(problem(sizes, bias, Mask::NONE, -110));
        case.is_none_of(&[ignored, reversed]);
    }
}
