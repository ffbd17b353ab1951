//! Lies behind a backward pass: its workspace and its gradients, too, stay within themselves.

use relattn::{
    Bias, Checks, Context, IndexFormat, Mask, Packed, Problem, ProblemBuilder, RelativeBuckets,
    Shape,
};

use crate::harness::adapters::shared;
use crate::harness::backward::{PlacedBackward, all_bits, dout};
use crate::harness::data::Data;
use crate::harness::gradients::GradientReference;
use relattn::cpu::Gradients;

fn builder(bias: Bias, mask: Mask, batch: u32) -> ProblemBuilder {
    let shape = Shape {
        batch,
        heads: 2,
        kv_heads: 1,
        q_len: 11,
        k_len: 41,
        head_dim: 4,
    };
    Problem::builder(shape).bias(bias).mask(mask)
}

fn problem(bias: Bias, mask: Mask, batch: u32) -> Problem {
    let builder = builder(bias, mask, batch);
    builder.build().expect("a valid problem")
}

/// Both passes once, between guard words.
fn run(context: &Context, problem: &Problem, data: &Data) -> Result<Gradients, String> {
    let words = |error: relattn::Error| error.to_string();
    let forward = context.forward(problem).map_err(words)?;
    let backward = context.backward(problem).map_err(words)?;
    let dout = dout(problem, 31);
    let placed = PlacedBackward::new(context, &backward, problem, data, &dout);
    let first = placed.forward.bind(&forward).map_err(words)?;
    let second = placed.bind(&backward).map_err(words)?;
    placed.run(context, &first, &second)
}

/// Kernels compile for long: the first device that runs it, without checks.
fn trusted(problem: &Problem, data: &Data, check: impl Fn(&str, &Gradients)) {
    for (name, context) in shared().iter() {
        match context.backward(problem) {
            Err(error) => println!("{name}: unsupported: {error}"),
            Ok(_) => {
                let context = context.clone().with_checks(Checks::None);
                let found = run(&context, problem, data);
                let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
                let again = run(&context, problem, data).expect("as before");
                assert_eq!(all_bits(&found), all_bits(&again), "{name}: other bits");
                return check(name, &found);
            }
        }
    }
    panic!("no device runs the problem");
}

#[test]
fn lengths_and_indices_past_their_ends_leave_the_gradients_right() {
    let bias = Bias::Indexed {
        rows: 5,
        matrices: 1,
        each_sequence: false,
        format: IndexFormat::U16,
    };
    let mask = Mask {
        key_lengths: true,
        ..Mask::NONE
    };
    let problem = problem(bias, mask, 2);
    let mut lies = Data::generate(&problem, 37);
    let indices = lies.indices.as_mut().expect("indices");
    for (n, index) in indices.iter_mut().enumerate().filter(|(n, _)| n % 3 == 1) {
        *index = [5, 0xffff, 0x8000][n / 3 % 3];
    }
    lies.key_lengths = Some(vec![u32::MAX, 42]);
    let truth = Data {
        key_lengths: Some(vec![41, 41]),
        ..lies.clone()
    };
    let reference = GradientReference::new(&problem, &truth.inputs(), &dout(&problem, 31));
    trusted(&problem, &lies, |name, found| {
        reference
            .check(found)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    });
}

/// Only that it ends, and writes nothing around its tensors: which gradient would be right nobody can say.
#[test]
fn starts_without_order_stay_in_the_gradients() {
    let mask = Mask {
        packed: Some(Packed { sequences: 3 }),
        ..Mask::NONE
    };
    let problem = problem(Bias::Relative(RelativeBuckets::t5_encoder()), mask, 1);
    let mut lies = Data::generate(&problem, 41);
    for [queries, keys] in [
        [[u32::MAX; 4], [u32::MAX; 4]],
        [[11, 7, 3, 0], [41, 30, 20, 0]],
        [[0, 5, u32::MAX, 0x7fc0_dead], [0, 20, 42, 1 << 31]],
    ] {
        lies.query_starts = Some(queries.to_vec());
        lies.key_starts = Some(keys.to_vec());
        trusted(&problem, &lies, |_, _| ());
    }
}

/// A gate of a query that sees nothing, and a bias that no query sees, may be no numbers: what they are multiplied by is 0.
#[test]
fn what_is_hidden_stays_out_of_the_gradients() {
    let mask = Mask {
        query_lengths: true,
        ..Mask::CAUSAL
    };
    let bias = Bias::Relative(RelativeBuckets::t5_encoder());
    let problem = builder(bias, mask, 2).gated(true).build();
    let problem = problem.expect("a valid problem");
    let mut data = Data::generate(&problem, 43);
    data.query_lengths = Some(vec![7, 11]);
    let reference = GradientReference::new(&problem, &data.inputs(), &dout(&problem, 31));
    let gate = data.gate.as_mut().expect("a gate");
    for head in gate.chunks_exact_mut(11).take(2) {
        head[7..].fill(f32::NAN);
    }
    // Buckets of the keys after the query, of either head.
    data.table.as_mut().expect("a table")[17 * 2..].fill(f32::INFINITY);
    let mut devices = 0;
    for (name, context) in shared().iter() {
        match context.backward(&problem) {
            Err(error) => println!("{name}: unsupported: {error}"),
            Ok(_) => {
                let found = run(context, &problem, &data);
                let checked = found.and_then(|found| reference.check(&found));
                checked.unwrap_or_else(|error| panic!("{name}: {error}"));
                devices += 1;
            }
        }
    }
    assert!(devices > 0, "no device runs the problem");
}
