//! Work past a device's limits, or past a budget, as several dispatches: the same bits, and what cannot be split is refused.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::{limited, shared};
use harness::compare::Reference;
use harness::data::Data;
use harness::device::bits;
use harness::passes::{Pass, assert_moves, last_rows};
use harness::placed::Placed;
use relattn::cpu::Attention;
use relattn::plan::{Budget, Forward, Reason};
use relattn::run::OnDevice;
use relattn::{
    Bias, Bits, Context, Dropout, Dtype, Error, IndexFormat, Kerple, Layout, Mask, Packed, Problem,
    ProblemBuilder, RelativeBuckets, Shape, Tensor, Window, wgpu,
};

/// Bytes of a binding on the small devices: one head of the cases below, and little more.
const BINDING: u64 = 16_384;
const T5: Bias = Bias::Relative(RelativeBuckets::t5_encoder());
const SHAPE: Shape = Shape {
    batch: 2,
    heads: 4,
    kv_heads: 4,
    q_len: 300,
    k_len: 40,
    head_dim: 8,
};

/// Devices of which a binding and a dispatch hold little.
fn small() -> Vec<(String, Context)> {
    limited(|limits| {
        limits.max_storage_buffer_binding_size = BINDING;
        limits.max_compute_workgroups_per_dimension = 4;
    })
}

fn case(name: &'static str, builder: ProblemBuilder) -> (&'static str, Problem) {
    (name, builder.build().expect(name))
}

/// `[B, N, H, D]` for each tensor.
fn interleaved(builder: ProblemBuilder, shape: &Shape) -> ProblemBuilder {
    let tensors = [Tensor::Q, Tensor::K, Tensor::V, Tensor::Out];
    tensors.into_iter().fold(builder, |builder, tensor| {
        let [_, heads, rows] = shape.rows_of(tensor).expect("a tensor with rows");
        let layout = Layout {
            batch: rows * heads * shape.head_dim,
            head: shape.head_dim,
            row: heads * shape.head_dim,
        };
        builder
            .layout(tensor, layout)
            .expect("a tensor with a layout")
    })
}

/// Problems of which some tensor is larger than a binding of a small device, and no head is.
fn cases() -> Vec<(&'static str, Problem)> {
    let shared = Shape {
        kv_heads: 2,
        ..SHAPE
    };
    // A binding holds the bias of the rows of one workgroup.
    let few_keys = Shape { k_len: 24, ..SHAPE };
    let dense = Bias::Dense(Layout::dense_bias(&few_keys, false, true).expect("small"));
    let index = Bias::Indexed {
        rows: 11,
        matrices: 1,
        each_sequence: true,
        format: IndexFormat::U8,
    };
    let each = Mask {
        bits: Some(Bits {
            each_sequence: true,
            each_head: true,
        }),
        ..Mask::NONE
    };
    let cache = Shape {
        kv_heads: 2,
        q_len: 3,
        k_len: 450,
        ..SHAPE
    };
    let of = Problem::builder;
    vec![
        case("contiguous", of(SHAPE).bias(T5)),
        case("[B, N, H, D]", interleaved(of(SHAPE).bias(T5), &SHAPE)),
        case(
            "grouped heads, causal",
            of(shared).bias(T5).mask(Mask::CAUSAL).query_offset(-90),
        ),
        case(
            "[B, N, H, D], grouped heads",
            interleaved(of(shared).bias(T5), &shared),
        ),
        case("dense", of(few_keys).bias(dense)),
        case("dense, f16", of(few_keys).bias(dense).dtype(Dtype::F16)),
        case(
            "bf16",
            interleaved(of(SHAPE).bias(T5).dtype(Dtype::Bf16), &SHAPE),
        ),
        case("indices in bytes", of(SHAPE).bias(index)),
        case("bits", of(SHAPE).mask(each)),
        case("decoding step", of(cache).bias(T5).query_offset(447)),
    ]
}

fn pass(context: &Context, problem: &Problem, plan: impl Fn(Forward) -> Forward) -> Pass {
    let forward = plan(context.forward(problem).expect("a kernel"));
    Pass::new(context, problem, &Data::generate(problem, 4), &forward)
}

fn assert_same(name: &str, whole: &Pass, split: &Pass) {
    assert!(
        split.dispatches > whole.dispatches,
        "{name}: nothing was split"
    );
    let [whole, split] = [whole, split].map(|pass| &pass.outputs);
    assert_eq!(bits(&whole.out), bits(&split.out), "{name}");
    assert_eq!(bits(&whole.lse), bits(&split.lse), "{name}");
}

#[test]
fn work_past_the_limits_of_a_device_gives_the_same_bits() {
    let small = small();
    for (adapter, context) in shared().iter() {
        let Some((_, limited)) = small.iter().find(|(name, _)| name == adapter) else {
            println!("{adapter}: unsupported: no device of small limits");
            continue;
        };
        for (case, problem) in cases() {
            let whole = pass(context, &problem, |forward| forward);
            let split = pass(limited, &problem, |forward| forward);
            assert_same(&format!("{adapter}: {case}"), &whole, &split);
        }
    }
}

/// The smallest budget has a dispatch for each workgroup, which then begin at every row, head and sequence.
#[test]
fn work_past_a_budget_gives_the_same_bits() {
    for (adapter, context) in shared().iter() {
        for (case, problem) in cases() {
            let whole = pass(context, &problem, |forward| forward);
            let split = pass(context, &problem, |forward| {
                forward.with_budget(Budget { flops: 1 })
            });
            assert_same(&format!("{adapter}: {case}"), &whole, &split);
        }
    }
}

/// A position is moved in every dispatch of the work.
#[test]
fn every_dispatch_moves_on() {
    let shape = Shape {
        q_len: 2,
        k_len: 90,
        ..SHAPE
    };
    let at = |k_len, query_offset| {
        let shape = Shape { k_len, ..shape };
        let builder = Problem::builder(shape).bias(T5).mask(Mask::CAUSAL);
        builder.query_offset(query_offset).build().expect("valid")
    };
    for (adapter, context) in shared().iter() {
        let last = at(90, 88);
        let data = Data::generate(&last, 4);
        let run = |budget| {
            let forward = context.forward(&last).expect("a kernel");
            let placed = Placed::new(context, &last, &data);
            let bound = placed
                .bind(&forward.with_budget(budget))
                .expect("buffers that fit");
            let moved = bound.set_position(context.queue(), 48, 50);
            moved.expect("a position within the cache");
            (
                placed.run(context, &bound).expect("a result"),
                bound.dispatches(),
            )
        };
        let (whole, one) = run(Budget::default());
        let (split, many) = run(Budget { flops: 1 });
        assert!(many > one, "{adapter}");
        assert_eq!(bits(&whole.out), bits(&split.out), "{adapter}");
        assert_eq!(bits(&whole.lse), bits(&split.lse), "{adapter}");
    }
}

/// Problems of which a binding of a small device does not hold the keys of a head.
fn long_cases() -> Vec<(&'static str, Problem)> {
    let long = Shape {
        q_len: 37,
        k_len: 1300,
        ..SHAPE
    };
    // No head but the first begins where a binding may.
    let odd = Shape {
        k_len: 1299,
        ..long
    };
    let shared = Shape {
        kv_heads: 2,
        ..long
    };
    let dense = Bias::Dense(Layout::dense_bias(&long, true, true).expect("small"));
    let index = Bias::Indexed {
        rows: 11,
        matrices: 1,
        each_sequence: false,
        format: IndexFormat::U8,
    };
    let window = Mask {
        causal: true,
        window: Some(Window {
            left: 500,
            right: 0,
        }),
        ..Mask::NONE
    };
    let hidden = Mask {
        keys: true,
        key_lengths: true,
        ..Mask::NONE
    };
    let dropout = Dropout {
        probability: 0.2,
        seed: 5,
    };
    let of = Problem::builder;
    vec![
        case("contiguous", of(long).bias(T5)),
        case("heads anywhere", of(odd).bias(T5)),
        case("[B, N, H, D]", interleaved(of(odd).bias(T5), &odd)),
        case("values wider than keys", of(odd).value_dim(20)),
        case(
            "grouped heads, window",
            of(shared)
                .bias(Bias::PerOffset { max_offset: 100 })
                .mask(window)
                .query_offset(700),
        ),
        case("f16, masks", of(long).dtype(Dtype::F16).mask(hidden)),
        case(
            "FIRE, ranges",
            of(odd).bias(Bias::Fire { width: 8 }).key_offset(9),
        ),
        case("indices in bytes", of(long).bias(index)),
        case("dense, f16", of(long).bias(dense).dtype(Dtype::F16)),
        case("dropout", of(odd).bias(T5).dropout(dropout)),
        case("decoding step", of(Shape { q_len: 3, ..odd }).bias(T5)),
    ]
}

#[test]
fn keys_past_a_binding_are_read_in_ranges() {
    for (adapter, context) in small() {
        for (case, problem) in long_cases() {
            let data = Data::generate(&problem, 4);
            let found = pass(&context, &problem, |forward| {
                assert!(forward.splits() == 1 || problem.shape().q_len == 3);
                forward
            });
            // 503 keys at most, and a merge.
            assert!(found.dispatches > 3, "{adapter}: {case}");
            let reference = Reference::new(&problem, &data.inputs());
            let checked = reference.check(&found.outputs);
            checked.unwrap_or_else(|error| panic!("{adapter}: {case}: {error}"));
        }
    }
}

/// Positions are moved in every range of the keys; the last ranges then have none.
#[test]
fn ranges_of_keys_move_on() {
    let shape = Shape {
        q_len: 2,
        k_len: 1300,
        ..SHAPE
    };
    for (adapter, context) in small() {
        let forward = context.forward(&last_rows(shape, 1300));
        let forward = forward.expect("a kernel");
        assert_moves(&adapter, &context, &forward, shape, [1300, 600, 20]);
    }
}

#[test]
fn what_cannot_be_split_is_refused() {
    let long = Shape {
        k_len: 2000,
        ..SHAPE
    };
    let step = Shape { q_len: 3, ..SHAPE };
    for (adapter, context) in small() {
        let check = |problem: &Problem, splits| {
            let forward = context.forward(problem).expect("a kernel");
            forward.with_splits(splits).check_limits()
        };
        let refused = |shape, splits| {
            let problem = Problem::builder(shape).build().expect("valid");
            check(&problem, splits)
        };
        let binding = |tensor, needed| Error::BindingTooLarge {
            tensor,
            needed,
            maximum: BINDING,
        };
        let keys = binding(Tensor::K, 4 * 8 * 2000);
        assert!(keys.to_string().contains("(Context::merge)"));
        let packed = Mask {
            packed: Some(Packed { sequences: 2 }),
            ..Mask::NONE
        };
        let builder = Problem::builder(Shape { batch: 1, ..long }).mask(packed);
        let problem = builder.build().expect("valid");
        assert_eq!(check(&problem, 1), Err(keys), "{adapter}");
        assert_eq!(refused(long, 1), Ok(()), "{adapter}");
        assert_eq!(refused(step, 1), Ok(()), "{adapter}");
        let workgroups = Error::DispatchTooLarge {
            found: 5,
            maximum: 4,
        };
        assert_eq!(refused(step, 5), Err(workgroups), "{adapter}");
        let wide = Shape {
            batch: 40,
            kv_heads: 1,
            ..step
        };
        assert_eq!(refused(wide, 4), Ok(()), "{adapter}");
    }
}

#[test]
fn a_log_sum_exp_that_nobody_wants_need_not_fit_a_binding() {
    let shape = Shape {
        q_len: 600,
        ..SHAPE
    };
    let problem = Problem::builder(shape).build().expect("valid");
    let needed = 4 * 2 * 4 * 600;
    assert!(needed > BINDING);
    for (adapter, context) in limited(|limits| limits.max_storage_buffer_binding_size = BINDING) {
        let forward = context.forward(&problem).expect("a kernel");
        assert_eq!(forward.check_limits(), Ok(()), "{adapter}");
        let data = Data::generate(&problem, 1);
        let wanted = OnDevice::new(context).forward(&problem, &data.inputs());
        let refused = Error::BindingTooLarge {
            tensor: Tensor::Lse,
            needed,
            maximum: BINDING,
        };
        assert_eq!(wanted.map(drop), Err(refused), "{adapter}");
    }
}

#[test]
fn parts_are_at_most_as_many_as_keys() {
    let step = Shape { q_len: 3, ..SHAPE };
    let problem = Problem::builder(step).build().expect("valid");
    let (_, context) = limited(|_| ()).swap_remove(0);
    let forward = context.forward(&problem).expect("a kernel");
    let of = |parts| forward.clone().with_splits(parts);
    assert_eq!([0, 7, u32::MAX].map(|parts| of(parts).splits()), [1, 7, 40]);
    let reasons = of(7).reasons();
    let parts = |reason: &Reason| matches!(reason, Reason::Parts { splits: 7, .. });
    assert!(reasons.iter().any(parts), "{reasons:?}");
}

#[test]
fn more_parts_of_a_row_than_a_binding_holds_are_refused() {
    let step = Shape {
        q_len: 3,
        k_len: 200,
        ..SHAPE
    };
    let problem = Problem::builder(step).value_dim(16).build().expect("valid");
    for (adapter, context) in limited(|limits| limits.max_storage_buffer_binding_size = BINDING) {
        let forward = context.forward(&problem).expect("a kernel");
        let row = u64::from(forward.variant().q_tile()) * 16 * 4;
        let most = BINDING / row;
        let of = |parts: u64| {
            let parts = u32::try_from(parts).expect("few");
            forward.clone().with_splits(parts).check_limits()
        };
        assert_eq!(of(most), Ok(()), "{adapter}");
        let refused = Error::BindingTooLarge {
            tensor: Tensor::PartOut,
            needed: (most + 1) * row,
            maximum: BINDING,
        };
        assert_eq!(of(most + 1), Err(refused), "{adapter}");
    }
}

/// Bytes that a pass with this bias makes for itself, without a device.
fn workspace(bias: &[Bias], length: u32) -> u64 {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let context = Context::new(&device, &queue);
    let shape = Shape {
        q_len: length,
        k_len: length,
        ..SHAPE
    };
    let builder = Problem::builder(shape);
    let built = bias
        .iter()
        .fold(builder, |built, &bias| built.add_bias(bias));
    let problem = built.build().expect("valid");
    let data = Data::generate(&problem, 1);
    let forward = context.forward(&problem).expect("a kernel");
    let placed = Placed::new(&context, &problem, &data);
    placed
        .bind(&forward)
        .expect("buffers that fit")
        .workspace_bytes()
}

#[test]
fn no_workspace_grows_with_the_square_of_a_length() {
    let table = |radius: u64| 4 * 4 * (2 * radius + 1);
    let per_offset = Bias::PerOffset { max_offset: 37 };
    let sum = [per_offset, T5];
    let saturating: [(&[Bias], u64); 4] = [
        (&[], 0),
        (&[T5], table(91)),
        (&[per_offset], table(37)),
        (&sum, table(91)),
    ];
    for (bias, bytes) in saturating {
        for length in [100, 200, 1600] {
            assert_eq!(workspace(bias, length), bytes, "{bias:?}, {length}");
        }
    }
    let sandwich = Bias::Sandwich { dimensions: 6 };
    let [log, power] = [Kerple::Log, Kerple::Power].map(Bias::Kerple);
    for bias in [Bias::Alibi, log, power, sandwich] {
        for length in [100, 200, 1600] {
            let bytes = workspace(&[bias], length);
            assert_eq!(bytes, table(u64::from(length) - 1), "{bias:?}, {length}");
        }
    }
    let fire = [Bias::Fire { width: 8 }];
    assert_eq!(workspace(&fire, 100), 4 * 4 * (4 * 8 + 4));
    assert_eq!(workspace(&fire, 1600), workspace(&fire, 100));
}
