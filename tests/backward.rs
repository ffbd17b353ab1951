//! What a backward pass promises beside its numbers: the same bits, accumulation, the least memory, and refusals by name.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::backward::{PlacedBackward, all_bits, dout};
use harness::compare::largest;
use harness::data::Data;
use harness::gradients::GradientReference;
use relattn::cpu::{Attention, AttentionGradient, Gradients, Oracle, Outputs};
use relattn::plan::{Backward, Budget, Operand, Wanted};
use relattn::run::OnDevice;
use relattn::{
    Bias, Context, Dropout, IndexFormat, Layout, Mask, Problem, RelativeBuckets, Shape, wgpu,
};

const T5: Bias = Bias::Relative(RelativeBuckets::t5_encoder());

fn shape([batch, heads, kv_heads, q_len, k_len, head_dim]: [u32; 6]) -> Shape {
    Shape {
        batch,
        heads,
        kv_heads,
        q_len,
        k_len,
        head_dim,
    }
}

fn problem(sizes: [u32; 6], bias: Bias) -> Problem {
    let builder = Problem::builder(shape(sizes)).bias(bias);
    builder.build().expect("a valid problem")
}

/// A context with the buffers of both passes of a problem.
struct Case {
    context: Context,
    problem: Problem,
    placed: PlacedBackward,
    forward: relattn::plan::Bound,
}

impl Case {
    fn new(context: &Context, backward: &Backward, problem: &Problem) -> Self {
        let (data, dout) = (Data::generate(problem, 3), dout(problem, 5));
        let placed = PlacedBackward::new(context, backward, problem, &data, &dout);
        let forward = context.forward(problem).expect("a kernel");
        let forward = placed.forward.bind(&forward).expect("buffers that fit");
        Self {
            context: context.clone(),
            problem: problem.clone(),
            placed,
            forward,
        }
    }

    fn run(&self, backward: &Backward) -> Gradients {
        let bound = self.placed.bind(backward).expect("buffers that fit");
        let found = self.placed.run(&self.context, &self.forward, &bound);
        found.expect("whole guards")
    }
}

/// Several batches, query tiles and key tiles, so that every sum is over many.
fn many_tiles() -> Vec<Problem> {
    let sizes = [3, 4, 2, 150, 210, 8];
    vec![
        problem(sizes, T5),
        problem(sizes, Bias::Alibi),
        problem(sizes, Bias::Fire { width: 4 }),
    ]
}

#[test]
fn twenty_runs_have_the_same_bits_whatever_else_runs() {
    for (name, context) in contexts() {
        let other = problem([1, 1, 1, 40, 30, 4], Bias::None);
        let other_pass = context.backward(&other).expect("kernels");
        let other = Case::new(&context, &other_pass, &other);
        for problem in many_tiles() {
            let backward = context.backward(&problem).expect("kernels");
            let case = Case::new(&context, &backward, &problem);
            let first = all_bits(&case.run(&backward));
            for run in 1..20 {
                other.run(&other_pass);
                let again = all_bits(&case.run(&backward));
                assert!(again == first, "{name}: run {run} differs");
            }
        }
    }
}

#[test]
fn however_the_work_is_split_the_bits_are_the_same() {
    for (name, context) in contexts() {
        for problem in many_tiles() {
            let backward = context.backward(&problem).expect("kernels");
            let case = Case::new(&context, &backward, &problem);
            let whole = case.placed.bind(&backward).expect("buffers that fit");
            let expected = all_bits(&case.run(&backward));
            let mut most = 0;
            // A workgroup each, a few, and half of them.
            for flops in [1, 3_000_000, 30_000_000] {
                let split = backward.clone().with_budget(Budget { flops });
                let bound = case.placed.bind(&split).expect("buffers that fit");
                most = most.max(bound.dispatches());
                let found = all_bits(&case.run(&split));
                assert!(found == expected, "{name}: {flops} flops a dispatch differ");
            }
            assert!(most > 4 * whole.dispatches(), "{name}: {most} dispatches");
        }
    }
}

#[test]
fn accumulation_adds_to_what_is_there() {
    for (name, context) in contexts() {
        for (what, problem, shared) in accumulated() {
            let backward = context.backward(&problem).expect("kernels");
            let case = Case::new(&context, &backward, &problem);
            let once = case.run(&backward);
            let adds = case.placed.bind_with(&backward, true).expect("buffers");
            let twice = case.placed.run_adding(&context, &case.forward, &adds);
            let twice = twice.expect("whole guards");
            assert_eq!(once.dq, twice.dq, "{name}: {what}: dq is never added to");
            assert_eq!(once.dk, twice.dk, "{name}: {what}: dk is never added to");
            assert_eq!(once.dv, twice.dv, "{name}: {what}: dv is never added to");
            let (once, twice) = (sums(&once), sums(&twice));
            assert!(!once.is_empty(), "{what} has no sums");
            let most = once.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            for (once, twice) in once.into_iter().zip(twice) {
                let error = (twice - 2.0 * once).abs();
                // A product may be added without being rounded first; of several sums each may be of the largest's size.
                let rounded = if shared { 3.0 * most } else { twice.abs() };
                assert!(
                    error <= f32::EPSILON * rounded,
                    "{name}: {what}: {once} {twice}"
                );
            }
        }
    }
}

/// Everything that is summed, and whether several sequences or heads add to one number, each in a dispatch of its own.
fn accumulated() -> Vec<(&'static str, Problem, bool)> {
    let sizes = [2, 2, 2, 40, 50, 8];
    let dense = |each_sequence, each_head| {
        let layout = Layout::dense_bias(&shape(sizes), each_sequence, each_head);
        problem(sizes, Bias::Dense(layout.expect("small")))
    };
    let indexed = Bias::Indexed {
        rows: 5,
        matrices: 2,
        each_sequence: true,
        format: IndexFormat::U16,
    };
    let gated = Problem::builder(shape(sizes)).bias(T5).gated(true);
    vec![
        ("T5", problem(sizes, T5), false),
        ("ALiBi", problem(sizes, Bias::Alibi), false),
        ("FIRE", problem(sizes, Bias::Fire { width: 3 }), false),
        ("a gate", gated.build().expect("a valid problem"), false),
        ("index matrices", problem(sizes, indexed), false),
        ("dense", dense(true, true), false),
        ("dense, shared by the batch", dense(false, true), true),
        ("dense, shared by heads", dense(true, false), true),
    ]
}

/// The gradients that a pass may add to.
fn sums(gradients: &Gradients) -> Vec<f32> {
    let all = [&gradients.dtable, &gradients.dgate, &gradients.dbias];
    all.into_iter().flatten().flatten().copied().collect()
}

#[test]
fn sums_to_zero_and_nothing_where_no_offset_is() {
    for (name, context) in contexts() {
        let problem = problem([2, 3, 3, 130, 140, 8], T5);
        let backward = context.backward(&problem).expect("kernels");
        let case = Case::new(&context, &backward, &problem);
        let dtable = case.run(&backward).dtable.expect("a table");
        let largest = dtable.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        for head in 0..3 {
            let column = dtable.iter().skip(head).step_by(3);
            let sum: f64 = column.map(|&value| f64::from(value)).sum();
            let share = sum.abs() / f64::from(largest);
            assert!(
                share < 2e-6,
                "{name}: head {head} sums to {share:e} of the largest"
            );
            assert_eq!(dtable[16 * 3 + head].to_bits(), 0, "{name}: bucket 16");
        }
        assert_eq!(case.problem.table_rows(), 32);
    }
}

#[test]
fn the_table_gradient_keeps_its_precision_over_many_scores() {
    let (_, context) = contexts().pop().expect("an adapter");
    for bias in [T5, Bias::Relative(RelativeBuckets::t5_decoder())] {
        let causal = bias != T5;
        let mask = Mask {
            causal,
            ..Mask::NONE
        };
        let builder = Problem::builder(shape([1, 1, 1, 2048, 2048, 16]));
        let problem = builder.bias(bias).mask(mask).build().expect("valid");
        let (data, dout) = (Data::generate(&problem, 3), dout(&problem, 5));
        let inputs = data.inputs();
        let device = OnDevice::new(context.clone());
        let outputs = device.forward(&problem, &inputs).expect("a result");
        let found = device.backward(&problem, &inputs, &outputs, &dout);
        let found = found.expect("gradients").dtable.expect("a table");
        let exact = Oracle.exact_gradients(&problem, &inputs, &dout);
        let exact = exact.expect("valid inputs").dtable.expect("a table");
        assert_eq!(found.len(), exact.len(), "{bias:?}");
        let errors = found.iter().zip(&exact).map(|(&x, y)| f64::from(x) - y);
        let error = largest(errors) / largest(exact.iter().copied());
        println!("{bias:?}: {error:e}");
        assert!(error <= 1e-6, "{error:e}");
    }
}

#[test]
fn memory_grows_with_the_length_and_stays_within_a_twentieth() {
    let (_, context) = contexts().pop().expect("an adapter");
    let bytes = |n: u32| {
        let problem = problem([1, 8, 8, n, n, 64], T5);
        let backward = context.backward(&problem).expect("kernels");
        // The log-sum-exp and the offset table of the forward pass beside.
        backward.workspace_bytes() + 4 * 8 * u64::from(n) + problem.offset_table_bytes()
    };
    let tensors = 8 * 4 * 8 * 16_384 * 64;
    let more = bytes(16_384);
    assert!(20 * more < tensors, "{more} bytes beside {tensors}");
    assert!(bytes(32_768) < 2 * more + 65_536, "not linear");
}

#[test]
fn without_its_gradient_the_bias_costs_no_sums() {
    let (_, context) = contexts().pop().expect("an adapter");
    let problem = problem([1, 2, 2, 64, 64, 8], T5);
    let with = context.backward(&problem).expect("kernels");
    let without = context.backward_of(&problem, Wanted::default());
    let without = without.expect("kernels");
    assert!(without.workspace_bytes() < with.workspace_bytes());
    let case = Case::new(&context, &with, &problem);
    let expected = case.run(&with);
    let operands = relattn::plan::BackwardOperands {
        dtable: None,
        ..case.placed.operands(false)
    };
    let bound = without.bind(&operands).expect("buffers that fit");
    let found = case.placed.run(&context, &case.forward, &bound);
    assert_eq!(found.expect("whole guards").dq, expected.dq);
}

#[test]
fn another_seed_changes_a_bound_pass_to_that_of_its_problem() {
    for (name, context) in contexts() {
        let with_seed = |seed| {
            let builder = Problem::builder(shape([1, 2, 2, 40, 50, 8])).bias(T5);
            let dropout = Dropout {
                probability: 0.3,
                seed,
            };
            builder.dropout(dropout).build().expect("a valid problem")
        };
        let [first, second] = [1, u64::MAX / 3].map(with_seed);
        let backward = context.backward(&first).expect("kernels");
        let case = Case::new(&context, &backward, &first);
        // Several dispatches, each with uniforms of its own.
        let split = backward.with_budget(Budget { flops: 1 });
        let bound = case.placed.bind(&split).expect("buffers that fit");
        let before = case.placed.run(&context, &case.forward, &bound);
        let seed = u64::MAX / 3;
        case.forward
            .set_seed(context.queue(), seed)
            .expect("dropout");
        bound.set_seed(context.queue(), seed).expect("dropout");
        let after = case.placed.run(&context, &case.forward, &bound);
        let of_second = context.backward(&second).expect("kernels");
        let expected = Case::new(&context, &of_second, &second).run(&of_second);
        let after = all_bits(&after.expect("whole guards"));
        assert!(
            after == all_bits(&expected),
            "{name}: not those of the seed"
        );
        assert!(
            after != all_bits(&before.expect("whole guards")),
            "{name}: unchanged"
        );
    }
}

/// Everything that is only read may lie in one buffer, the output of the forward pass and its gradient too.
#[test]
fn what_is_read_may_share_a_buffer() {
    for (name, context) in contexts() {
        let problem = problem([1, 2, 2, 24, 30, 8], T5);
        let backward = context.backward(&problem).expect("kernels");
        let case = Case::new(&context, &backward, &problem);
        let expected = all_bits(&case.run(&backward));
        let mut operands = case.placed.operands(false);
        let results = [operands.forward.out.clone(), operands.dout.clone()];
        let shared = in_one_buffer(&context, &results);
        operands.forward.out = shared[0].as_binding();
        operands.dout = shared[1].as_binding();
        let bound = backward
            .bind(&operands)
            .expect("operands that are only read");
        let found = case.placed.run(&context, &case.forward, &bound);
        assert!(
            all_bits(&found.expect("whole guards")) == expected,
            "{name}"
        );
    }
}

/// Where a tensor is now.
struct Moved {
    buffer: wgpu::Buffer,
    offset: u64,
}

impl Moved {
    fn as_binding(&self) -> Operand<'_> {
        Operand {
            buffer: &self.buffer,
            offset: self.offset,
            size: None,
        }
    }
}

/// Copies of two tensors, one behind the other.
fn in_one_buffer(context: &Context, from: &[Operand<'_>; 2]) -> [Moved; 2] {
    let bytes = |operand: &Operand<'_>| operand.buffer.size() - operand.offset;
    let second = bytes(&from[0]).next_multiple_of(256);
    let buffer = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: second + bytes(&from[1]),
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let descriptor = wgpu::CommandEncoderDescriptor::default();
    let mut encoder = context.device().create_command_encoder(&descriptor);
    for (operand, offset) in from.iter().zip([0, second]) {
        let bytes = bytes(operand);
        encoder.copy_buffer_to_buffer(operand.buffer, operand.offset, &buffer, offset, bytes);
    }
    context.queue().submit([encoder.finish()]);
    [0, second].map(|offset| Moved {
        buffer: buffer.clone(),
        offset,
    })
}

/// As units are initialised: at offset 0 none of them is active yet.
#[test]
fn a_unit_of_fire_without_b1_gets_nothing_from_offset_0() {
    for (name, context) in contexts() {
        let problem = problem([1, 2, 2, 40, 40, 4], Bias::Fire { width: 3 });
        let mut data = Data::generate(&problem, 3);
        let table = data.table.as_mut().expect("a table");
        table[2 * (2 + 3)..2 * (2 + 6)].fill(0.0);
        let dout = dout(&problem, 5);
        let device = OnDevice::new(context);
        let outputs = device.forward(&problem, &data.inputs()).expect("a result");
        let found = device.backward(&problem, &data.inputs(), &outputs, &dout);
        let reference = GradientReference::new(&problem, &data.inputs(), &dout);
        if let Err(reason) = reference.check(&found.expect("gradients")) {
            panic!("{name}: {reason}");
        }
    }
}

#[test]
fn a_gradient_of_no_query_is_zero() {
    for (name, context) in contexts() {
        let problem = problem([1, 2, 2, 0, 9, 4], T5);
        let data = Data::generate(&problem, 3);
        let device = OnDevice::new(context);
        let outputs = Outputs {
            out: Vec::new(),
            lse: Vec::new(),
        };
        let found = device.backward(&problem, &data.inputs(), &outputs, &[]);
        let found = found.expect("gradients");
        let zero = |values: &[f32]| values.iter().all(|&value| value == 0.0);
        assert!(zero(&found.dk) && zero(&found.dv), "{name}: {found:?}");
        assert!(zero(found.dtable.as_ref().expect("a table")), "{name}");
    }
}
