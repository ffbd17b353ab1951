//! Which weights a pass leaves out, on every adapter: those that `Dropout::factor` says, by whatever kernel, seed by seed.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::shared;
use harness::backward::PlacedBackward;
use harness::data::Data;
use harness::device::{self, bits};
use harness::placed::Placed;
use relattn::cpu::{Attention, Oracle, Outputs, Tiled};
use relattn::plan::{candidates_backward, choose};
use relattn::{
    Capabilities, Context, Dropout, Mask, Packed, Problem, ProblemBuilder, SeedError, Shape,
};

const DROPOUT: Dropout = Dropout {
    probability: 0.4,
    seed: 0xfeed_0123_4567_89ab,
};

/// As many keys as features, so that values may be one-hot.
fn builder(q_len: u32, keys: u32) -> ProblemBuilder {
    Problem::builder(Shape {
        batch: 2,
        heads: 4,
        kv_heads: 2,
        q_len,
        k_len: keys,
        head_dim: keys,
    })
}

fn problem(q_len: u32, dropout: Dropout) -> Problem {
    let built = builder(q_len, 76).mask(Mask::CAUSAL).query_offset(40);
    built.dropout(dropout).build().expect("a valid problem")
}

/// Every weight by itself: queries of 0 weigh all keys that they see alike, and value j is 1 in feature j alone.
fn one_hot(problem: &Problem) -> Data {
    let mut data = Data::generate(problem, 7);
    let keys = problem.shape().k_len as usize;
    data.q.fill(0.0);
    for (n, value) in data.v.iter_mut().enumerate() {
        *value = if n % keys == n / keys % keys {
            1.0
        } else {
            0.0
        };
    }
    data
}

/// That each weight is that of the keys seen, times its factor.
fn check(name: &str, problem: &Problem, found: &Outputs, seen: impl Fn([u32; 2]) -> bool) {
    let (shape, dropout) = (problem.shape(), problem.dropout().expect("dropout"));
    let mut out = found.out.iter();
    let mut lse = found.lse.iter();
    for b in 0..shape.batch {
        for head in 0..shape.heads {
            for i in 0..shape.q_len {
                let count = (0..shape.k_len).filter(|&j| seen([i, j])).count();
                let count = f64::from(u32::try_from(count).expect("few keys"));
                let lse = f64::from(*lse.next().expect("a row"));
                assert!((lse - count.ln()).abs() < 1e-5, "{name}: {lse} of {count}");
                for j in 0..shape.k_len {
                    let factor = dropout.factor([b, head, i, j]);
                    let exact = if seen([i, j]) { factor / count } else { 0.0 };
                    let weight = f64::from(*out.next().expect("a weight"));
                    assert!(
                        (weight - exact).abs() < 1e-6 && (weight == 0.0) == (exact == 0.0),
                        "{name}: weight {weight} of {:?}, {exact} is right",
                        [b, head, i, j]
                    );
                }
            }
        }
    }
}

fn run(context: &Context, problem: &Problem, data: &Data) -> Outputs {
    let forward = context.forward(problem).expect("a kernel");
    device::run(context, &forward, problem, data).expect("a result")
}

/// By the kernels of many rows and of few, over more than a tile of keys.
#[test]
fn exactly_the_weights_of_the_definition_are_left_out() {
    let contexts = shared();
    for q_len in [67, 5, 1] {
        let problem = problem(q_len, DROPOUT);
        let data = one_hot(&problem);
        let seen = |[i, j]: [u32; 2]| j <= i + 40;
        let inputs = data.inputs();
        let exact = Oracle.forward(&problem, &inputs).expect("a result");
        check("oracle", &problem, &exact, seen);
        let tiled = Tiled.forward(&problem, &inputs).expect("a result");
        check("tiled", &problem, &tiled, seen);
        for (name, context) in contexts.iter() {
            let found = run(context, &problem, &data);
            check(&format!("{name}, {q_len} rows"), &problem, &found, seen);
        }
    }
}

/// Rows and keys of a packed batch count through, wherever a sequence begins.
#[test]
fn packed_rows_count_through() {
    let shape = Shape {
        batch: 1,
        ..*builder(50, 61).build().expect("valid").shape()
    };
    let packed = Mask {
        packed: Some(Packed { sequences: 4 }),
        ..Mask::NONE
    };
    let built = Problem::builder(shape).mask(packed).dropout(DROPOUT);
    let problem = built.build().expect("a valid problem");
    let data = one_hot(&problem);
    let starts = [&data.query_starts, &data.key_starts].map(|starts| starts.clone().expect("some"));
    let sequence = |n: usize, row: u32| starts[n].iter().filter(|&&start| start <= row).count();
    let seen = |[i, j]: [u32; 2]| sequence(0, i) == sequence(1, j);
    let tiled = Tiled.forward(&problem, &data.inputs()).expect("a result");
    check("tiled", &problem, &tiled, seen);
    for (name, context) in shared().iter() {
        check(name, &problem, &run(context, &problem, &data), seen);
    }
}

#[test]
fn another_seed_or_probability_is_no_other_kernel() {
    let variant = |probability, seed| {
        let problem = problem(70, Dropout { probability, seed });
        choose(&problem, &Capabilities::WEBGPU_DEFAULT).expect("a kernel")
    };
    assert!(variant(0.1, 1).dropout);
    assert_eq!(variant(0.1, 1), variant(0.0, u64::MAX));
}

/// A seed that is set, also before a position is, gives the bits of the problem that has it.
#[test]
fn a_seed_that_is_set_is_that_of_a_problem_built_with_it() {
    let other = Dropout {
        seed: 0x0102_0304_a5a6_a7a8,
        ..DROPOUT
    };
    for (name, context) in shared().iter() {
        for q_len in [67, 3] {
            let [first, second] = [DROPOUT, other].map(|dropout| problem(q_len, dropout));
            let data = Data::generate(&first, 9);
            let expected = run(context, &second, &data);
            let placed = Placed::new(context, &first, &data);
            let bound = placed.bind(&context.forward(&first).expect("a kernel"));
            let bound = bound.expect("buffers that fit");
            let before = placed.run(context, &bound).expect("a result");
            assert_ne!(bits(&before.out), bits(&expected.out), "{name}");
            let queue = context.queue();
            assert_eq!(bound.set_seed(queue, other.seed), Ok(()));
            let after = placed.run(context, &bound).expect("a result");
            assert_eq!(bits(&after.out), bits(&expected.out), "{name}");
            assert_eq!(bits(&after.lse), bits(&before.lse), "{name}");
            // Back to where it was, without a word on the seed.
            assert_eq!(bound.set_position(queue, 11, 60), Ok(()));
            assert_eq!(bound.set_position(queue, 40, 76), Ok(()));
            let moved = placed.run(context, &bound).expect("a result");
            assert_eq!(bits(&moved.out), bits(&expected.out), "{name}");
        }
    }
}

/// The other way round: a seed leaves the position as it is.
#[test]
fn a_seed_leaves_the_position() {
    let problem = problem(3, DROPOUT);
    let data = Data::generate(&problem, 9);
    for (name, context) in shared().iter() {
        let forward = context.forward(&problem).expect("a kernel");
        let placed = Placed::new(context, &problem, &data);
        let bound = placed.bind(&forward).expect("buffers that fit");
        let queue = context.queue();
        assert_eq!(bound.set_position(queue, 11, 60), Ok(()));
        let before = placed.run(context, &bound).expect("a result");
        assert_eq!(bound.set_seed(queue, DROPOUT.seed), Ok(()));
        let after = placed.run(context, &bound).expect("a result");
        assert_eq!(bits(&before.out), bits(&after.out), "{name}");
    }
}

/// The keys keep their positions where a query moves.
#[test]
fn a_range_of_keys_stays_where_it_is() {
    let at = |query_offset| {
        let built = builder(3, 76).mask(Mask::CAUSAL).query_offset(query_offset);
        let built = built.key_offset(5).dropout(DROPOUT).build();
        built.expect("a valid problem")
    };
    let (first, last) = (at(31), at(60));
    let data = Data::generate(&last, 9);
    for (name, context) in shared().iter() {
        let expected = run(context, &first, &data);
        let placed = Placed::new(context, &last, &data);
        let bound = placed.bind(&context.forward(&last).expect("a kernel"));
        let bound = bound.expect("buffers that fit");
        assert_eq!(bound.set_position(context.queue(), 31, 76), Ok(()));
        let moved = placed.run(context, &bound).expect("a result");
        assert_eq!(bits(&moved.out), bits(&expected.out), "{name}");
        assert_eq!(bits(&moved.lse), bits(&expected.lse), "{name}");
    }
}

#[test]
fn work_without_dropout_has_no_seed() {
    let problem = builder(20, 12).build().expect("a valid problem");
    let data = Data::generate(&problem, 9);
    for (_, context) in shared().iter() {
        let forward = context.forward(&problem).expect("a kernel");
        let placed = Placed::new(context, &problem, &data);
        let bound = placed.bind(&forward).expect("buffers that fit");
        let refused = bound.set_seed(context.queue(), 1);
        assert_eq!(refused, Err(SeedError::NoDropout));
        let message = refused.expect_err("refused").to_string();
        assert!(message.contains("ProblemBuilder::dropout"), "{message}");
    }
}

/// An infinite value reaches the rows that keep its weight, and makes no NaN in those that leave it out.
#[test]
fn an_infinity_reaches_the_rows_that_keep_its_weight() {
    const KEY: u32 = 21;
    for q_len in [67, 3] {
        let problem = problem(q_len, DROPOUT);
        let mut data = Data::generate(&problem, 9);
        let keys = problem.shape().k_len as usize;
        for row in data
            .v
            .chunks_exact_mut(keys)
            .skip(KEY as usize)
            .step_by(keys)
        {
            row[5] = f32::INFINITY;
        }
        let check = |name: &str, found: &Outputs| {
            for (n, row) in (0..).zip(found.out.chunks_exact(keys)) {
                let [b, head, i] = [n / q_len / 4, n / q_len % 4, n % q_len];
                let kept = DROPOUT.factor([b, head, i, KEY]) != 0.0;
                assert_eq!(row[5] == f32::INFINITY, kept, "{name}: {b}, {head}, {i}");
                let others = row.iter().enumerate().filter(|&(d, _)| d != 5 || !kept);
                assert!(
                    others.into_iter().all(|(_, x)| x.is_finite()),
                    "{name}: {row:?}"
                );
            }
        };
        let inputs = data.inputs();
        check(
            "oracle",
            &Oracle.forward(&problem, &inputs).expect("a result"),
        );
        check(
            "tiled",
            &Tiled.forward(&problem, &inputs).expect("a result"),
        );
        for (name, context) in shared().iter() {
            let forward = context.forward(&problem).expect("a kernel");
            let found = device::run_once(context, &forward, &problem, &data);
            check(name, &found.expect("a result"));
        }
    }
}

/// Nor does it in their gradients, by any kernel.
#[test]
fn an_infinity_that_is_left_out_leaves_the_gradient_of_a_query_finite() {
    const KEY: u32 = 21;
    let problem = problem(67, DROPOUT);
    let mut data = Data::generate(&problem, 9);
    let keys = problem.shape().k_len as usize;
    let row = |n: usize| n * keys..(n + 1) * keys;
    for n in 0..data.v.len() / keys / keys {
        data.v[row(n * keys + KEY as usize)].fill(f32::INFINITY);
    }
    let dout = vec![3.0; data.q.len()];
    for (name, context) in shared().iter() {
        for candidate in candidates_backward(&problem, &context.capabilities()) {
            let name = format!("{name}, {candidate}");
            let forward = context.forward(&problem).expect("a kernel");
            let backward = context.backward_by(&problem, candidate).expect("kernels");
            let placed = PlacedBackward::new(context, &backward, &problem, &data, &dout);
            let forward = placed.forward.bind(&forward).expect("buffers that fit");
            let bound = placed.bind(&backward).expect("buffers that fit");
            let found = placed.run(context, &forward, &bound).expect("whole guards");
            for (n, dq) in (0..).zip(found.dq.chunks_exact(keys)) {
                let [b, head, i] = [n / 67 / 4, n / 67 % 4, n % 67];
                if DROPOUT.factor([b, head, i, KEY]) == 0.0 {
                    assert!(
                        dq.iter().all(|x| x.is_finite()),
                        "{name}: {b}, {head}, {i}: {dq:?}"
                    );
                }
            }
        }
    }
}
