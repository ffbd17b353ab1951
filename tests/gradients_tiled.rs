//! The gradients of the tiled CPU form against the oracle's.

mod harness;

use harness::catalogue::catalogue;
use harness::compare::largest;
use harness::data::{Data, round, values};
use harness::elements;
use harness::gradients::GradientReference;
use relattn::cpu::{Attention, AttentionGradient, Gradients, Oracle, Tiled};
use relattn::{
    Bias, Dropout, IndexFormat, Kerple, Layout, Mask, Problem, ProblemBuilder, RelativeBuckets,
    Scale, Shape, Tensor, Window,
};

const T5: Bias = Bias::Relative(RelativeBuckets::t5_encoder());
const FIRE: Bias = Bias::Fire { width: 8 };

/// A gradient of the output in the type of the problem.
fn gradient_of_output(problem: &Problem) -> Vec<f32> {
    let dout = values(elements(problem, Tensor::DOut), 77);
    round(problem.dtype(), dout)
}

/// The gradients after a forward pass, whose output has the type of the problem.
fn backward(problem: &Problem, data: &Data, dout: &[f32]) -> Gradients {
    let mut outputs = Tiled
        .forward(problem, &data.inputs())
        .expect("valid inputs");
    outputs.out = round(problem.dtype(), outputs.out);
    let gradients = Tiled.backward(problem, &data.inputs(), &outputs, dout);
    gradients.expect("valid inputs")
}

fn check(name: &str, problem: &Problem) -> f64 {
    let (data, dout) = (Data::generate(problem, 7), gradient_of_output(problem));
    let found = backward(problem, &data, &dout);
    let checked = GradientReference::new(problem, &data.inputs(), &dout).check(&found);
    let share = checked.unwrap_or_else(|error| panic!("{name}: {error}"));
    println!("{share:.2} {name}");
    share
}

#[test]
fn every_case_of_the_catalogue() {
    for case in catalogue() {
        if case.problem.paged().is_none() {
            check(case.name, &case.problem);
        }
    }
}

fn build(
    shape: Shape,
    biases: &[Bias],
    with: impl Fn(ProblemBuilder) -> ProblemBuilder,
) -> Problem {
    let built = biases
        .iter()
        .fold(Problem::builder(shape), |built, &bias| built.add_bias(bias));
    with(built).build().expect("a valid problem")
}

#[test]
fn head_dimensions_and_grouped_heads() {
    for (head_dim, value_dim, kv_heads) in [
        (32, 32, 4),
        (64, 64, 2),
        (80, 80, 1),
        (96, 64, 2),
        (128, 128, 4),
        (64, 128, 1),
    ] {
        let shape = Shape {
            batch: 2,
            heads: 4,
            kv_heads,
            q_len: 130,
            k_len: 150,
            head_dim,
        };
        let problem = build(shape, &[T5], |built| {
            built
                .value_dim(value_dim)
                .query_offset(20)
                .mask(Mask::CAUSAL)
        });
        check(&format!("head_dim {head_dim}, {value_dim}"), &problem);
    }
}

/// Everything that a sum may hold, with a gate, between the ends of the table.
fn large_sum() -> Problem {
    let shape = Shape {
        batch: 2,
        heads: 4,
        kv_heads: 2,
        q_len: 150,
        k_len: 170,
        head_dim: 32,
    };
    let indexed = Bias::Indexed {
        rows: 40,
        matrices: 2,
        each_sequence: true,
        format: IndexFormat::U32,
    };
    let dense = Bias::Dense(Layout::dense_bias(&shape, false, true).expect("small"));
    let biases = [T5, Bias::Kerple(Kerple::Log), FIRE, indexed, dense];
    build(shape, &biases, |built| {
        let window = Window {
            left: 100,
            right: 30,
        };
        built.gated(true).query_offset(10).mask(Mask {
            window: Some(window),
            keys: true,
            key_lengths: true,
            query_lengths: true,
            documents: true,
            ..Mask::NONE
        })
    })
}

#[test]
fn a_sum_behind_several_masks() {
    check("a sum", &large_sum());
}

#[test]
fn a_dense_bias_of_one_row_for_all_queries() {
    let shape = Shape {
        batch: 2,
        heads: 2,
        kv_heads: 2,
        q_len: 150,
        k_len: 70,
        head_dim: 32,
    };
    let layout = Layout {
        batch: 80,
        head: 0,
        row: 0,
    };
    check(
        "one row",
        &build(shape, &[Bias::Dense(layout)], |built| built),
    );
}

#[test]
fn fire_with_numbers_of_either_sign_and_equal_arguments() {
    let shape = Shape {
        batch: 1,
        heads: 4,
        kv_heads: 4,
        q_len: 40,
        k_len: 60,
        head_dim: 32,
    };
    let problem = build(shape, &[FIRE], |built| built);
    let (mut data, dout) = (Data::generate(&problem, 7), gradient_of_output(&problem));
    let table = data.table.as_mut().expect("a table");
    for row in table.chunks_exact_mut(4).take(2) {
        row[..2].iter_mut().for_each(|value| *value = -*value);
    }
    // L is a position; two units begin at a distance of 0.
    table[5..7].copy_from_slice(&[-20.0, 13.0]);
    table[10 * 4..12 * 4].fill(0.0);
    let found = backward(&problem, &data, &dout);
    let checked = GradientReference::new(&problem, &data.inputs(), &dout).check(&found);
    checked.unwrap_or_else(|error| panic!("{error}"));
    // Each row of a parameter for itself: those of c are a thousand times those of L.
    let exact = Oracle.exact_gradients(&problem, &data.inputs(), &dout);
    let exact = exact.expect("valid inputs").dtable.expect("a table");
    let found = found.dtable.expect("a table");
    for (n, (found, exact)) in found.chunks_exact(4).zip(exact.chunks_exact(4)).enumerate() {
        let magnitude = exact
            .iter()
            .fold(0.0_f64, |most, value| most.max(value.abs()));
        for (&found, exact) in found.iter().zip(exact) {
            let error = (f64::from(found) - exact).abs();
            assert!(
                error <= 1e-4 * magnitude + 1e-5,
                "row {n}: {found}, {exact} is right"
            );
        }
    }
}

#[test]
fn a_range_of_keys_has_gradients_by_its_positions() {
    let shape = Shape {
        batch: 1,
        heads: 2,
        kv_heads: 1,
        q_len: 21,
        k_len: 43,
        head_dim: 12,
    };
    let dropout = Dropout {
        probability: 0.3,
        seed: 4,
    };
    let problem = build(shape, &[FIRE], |builder| {
        builder.query_offset(60).key_offset(29).dropout(dropout)
    });
    check("a range of keys", &problem);
}

#[test]
fn the_same_bits_whatever_the_number_of_threads() {
    let problem = large_sum();
    let (data, dout) = (Data::generate(&problem, 7), gradient_of_output(&problem));
    let bits = |gradients: &Gradients| -> Vec<u32> {
        let Gradients { dq, dk, dv, .. } = gradients;
        let optional = [&gradients.dtable, &gradients.dgate, &gradients.dbias];
        let optional = optional
            .into_iter()
            .flat_map(|values| values.as_ref().expect("in the sum"));
        let all = dq.iter().chain(dk).chain(dv).chain(optional);
        all.map(|value| value.to_bits()).collect()
    };
    let first = bits(&backward(&problem, &data, &dout));
    for threads in [1, 3, 3, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let again = pool
            .expect("a pool")
            .install(|| backward(&problem, &data, &dout));
        assert!(bits(&again) == first, "{threads} threads give other bits");
    }
}

#[test]
fn a_long_sum_keeps_the_gradient_of_the_table() {
    // Where nearly all pairs share a bucket or a slope, its gradient is the rest that is left of theirs. ALiBi's has one entry, and of the
    // last seed that is a fortieth of the others'.
    let decoder = Bias::Relative(RelativeBuckets::t5_decoder());
    for (name, causal, bias, allowed) in [
        ("decoder", true, decoder, 1e-6),
        ("encoder", false, T5, 1e-6),
        ("ALiBi", true, Bias::Alibi, 2e-6),
    ] {
        let shape = Shape {
            batch: 1,
            heads: 1,
            kv_heads: 1,
            q_len: 2048,
            k_len: 2048,
            head_dim: 64,
        };
        let problem = build(shape, &[bias], |built| {
            let mask = Mask {
                causal,
                ..Mask::NONE
            };
            built.mask(mask).scale(Scale::InverseSqrt)
        });
        for seed in [1, 2, 3, 7] {
            let error = error_of_table(&problem, seed);
            println!("{name}, seed {seed}: {error:.2e} of the largest entry");
            assert!(
                error <= allowed,
                "{name}, seed {seed}: {error:e} of the largest entry"
            );
        }
    }
}

/// The error of the table's gradient as a part of its largest entry.
fn error_of_table(problem: &Problem, seed: u32) -> f64 {
    let (data, dout) = (Data::generate(problem, seed), gradient_of_output(problem));
    let exact = Oracle.exact_gradients(problem, &data.inputs(), &dout);
    let exact = exact.expect("valid inputs").dtable.expect("a table");
    let found = backward(problem, &data, &dout).dtable.expect("a table");
    assert_eq!(found.len(), exact.len());
    let errors = found.iter().zip(&exact).map(|(&f, e)| f64::from(f) - e);
    largest(errors) / largest(exact.iter().copied())
}

#[test]
fn what_is_hidden_stays_hidden() {
    let shape = Shape {
        batch: 2,
        heads: 2,
        kv_heads: 1,
        q_len: 90,
        k_len: 77,
        head_dim: 32,
    };
    let problem = build(shape, &[T5], |built| {
        built.gated(true).mask(Mask {
            keys: true,
            key_lengths: true,
            query_lengths: true,
            ..Mask::CAUSAL
        })
    });
    let mut data = Data::generate(&problem, 3);
    let mut dout = gradient_of_output(&problem);
    let clean = backward(&problem, &data, &dout);
    // Of the second sequence 60 queries and 51 keys are used, and of keys those that the mask shows.
    let q = (3 * 90 + 60) * 32;
    data.q[q..][..30 * 32].fill(f32::INFINITY);
    dout[q..][..30 * 32].fill(f32::NAN);
    data.gate.as_mut().expect("a gate")[3 * 90 + 60..].fill(f32::NAN);
    let mask = data.key_mask.as_ref().expect("a key mask");
    for (key, &shown) in mask.iter().enumerate() {
        if shown == 0 || key >= 77 + 51 {
            data.k[key * 32..][..32].fill(f32::NAN);
            data.v[key * 32..][..32].fill(f32::NEG_INFINITY);
        }
    }
    // Buckets of the keys after the query.
    data.table.as_mut().expect("a table")[17 * 2..].fill(f32::INFINITY);
    let spoilt = backward(&problem, &data, &dout);
    // Selective sums are in another order.
    let optional = |values: &Option<Vec<f32>>| values.clone().expect("a table and a gate");
    for (clean, spoilt) in [
        (&clean.dq, &spoilt.dq),
        (&clean.dk, &spoilt.dk),
        (&clean.dv, &spoilt.dv),
        (&optional(&clean.dtable), &optional(&spoilt.dtable)),
        (&optional(&clean.dgate), &optional(&spoilt.dgate)),
    ] {
        for (clean, spoilt) in clean.iter().zip(spoilt) {
            assert!(
                (clean - spoilt).abs() <= 1e-5,
                "{clean}, {spoilt} if spoilt"
            );
        }
    }
}
