//! Keys in stretches, each in a dispatch that goes on from the one before: the output is that of all keys, and planted errors are noticed.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::{limited, shared};
use harness::compare::{Reference, largest};
use harness::data::Data;
use harness::device::bits;
use harness::passes::{Pass, assert_moves, last_rows};
use harness::placed::Placed;
use relattn::plan::{Algorithm, Budget, Forward, ForwardOperands, Reason};
use relattn::{
    Bias, Bits, Context, Dropout, Dtype, IndexFormat, Layout, Mask, Packed, Paged, Problem,
    ProblemBuilder, RelativeBuckets, Shape, Window, shader,
};

/// Keys of a stretch.
const KEYS: u32 = 64;
const T5: Bias = Bias::Relative(RelativeBuckets::t5_encoder());
const SHAPE: Shape = Shape {
    batch: 2,
    heads: 4,
    kv_heads: 4,
    q_len: 137,
    k_len: 300,
    head_dim: 8,
};
/// A last stretch of few keys, and rows that end within a vector.
const ODD: Shape = Shape {
    k_len: 325,
    head_dim: 5,
    ..SHAPE
};

fn case(name: &'static str, builder: ProblemBuilder) -> (&'static str, Problem) {
    (name, builder.build().expect(name))
}

/// Rows that see all keys, keys of some stretches, or none.
fn cases() -> Vec<(&'static str, Problem)> {
    let of = Problem::builder;
    let wide = |head_dim| Shape { head_dim, ..SHAPE };
    let shared = Shape {
        kv_heads: 2,
        ..SHAPE
    };
    let dense = Bias::Dense(Layout::dense_bias(&ODD, true, true).expect("small"));
    let index = Bias::Indexed {
        rows: 11,
        matrices: 1,
        each_sequence: false,
        format: IndexFormat::U8,
    };
    let window = Mask {
        causal: true,
        window: Some(Window { left: 90, right: 0 }),
        ..Mask::NONE
    };
    let hidden = Mask {
        keys: true,
        key_lengths: true,
        ..Mask::NONE
    };
    let each = Mask {
        bits: Some(Bits {
            each_sequence: true,
            each_head: true,
        }),
        ..Mask::NONE
    };
    let paged = Paged {
        blocks: 64,
        block_size: 16,
    };
    vec![
        case("T5", of(SHAPE).bias(T5)),
        case("T5, ends within a tile", of(ODD).bias(T5)),
        case("no bias, values wider", of(ODD).value_dim(9)),
        case("two rows an invocation", of(wide(70)).bias(T5)),
        case("one row an invocation", of(wide(130)).bias(T5)),
        case(
            "grouped heads, causal",
            of(shared).bias(T5).mask(Mask::CAUSAL).query_offset(100),
        ),
        case(
            "window",
            of(ODD)
                .bias(Bias::PerOffset { max_offset: 100 })
                .mask(window)
                .query_offset(300),
        ),
        case("masks of keys", of(SHAPE).bias(T5).mask(hidden)),
        case("bits", of(ODD).bias(T5).mask(each)),
        case(
            "rows that see nothing",
            of(SHAPE).mask(Mask::CAUSAL).query_offset(-40),
        ),
        case("FIRE", of(ODD).bias(Bias::Fire { width: 8 })),
        case("indices in bytes", of(SHAPE).bias(index)),
        case("dense", of(ODD).bias(dense)),
        case("paged", of(SHAPE).bias(T5).paged(paged)),
        case("dropout", of(ODD).bias(T5).dropout(DROPOUT)),
    ]
}

const DROPOUT: Dropout = Dropout {
    probability: 0.2,
    seed: 5,
};

/// The adapters on which the problem has the kernel that goes on.
fn on_each(problem: &Problem, check: impl Fn(&str, &Context, Forward)) {
    for (adapter, context) in shared().iter() {
        let forward = context.forward(problem).expect("a kernel");
        if forward.variant().algorithm == Algorithm::Broadcast {
            check(adapter, context, forward);
        } else {
            println!("{adapter}: unsupported: {}", forward.variant());
            assert_eq!(forward.with_stretch(KEYS).stretches(), 1, "{adapter}");
        }
    }
}

#[test]
fn stretches_make_up_all_keys() {
    for (case, problem) in cases() {
        let data = Data::generate(&problem, 4);
        let reference = Reference::new(&problem, &data.inputs());
        on_each(&problem, |adapter, context, forward| {
            let whole = Pass::new(context, &problem, &data, &forward);
            let forward = forward.with_stretch(KEYS);
            let found = Pass::new(context, &problem, &data, &forward);
            let more = problem.shape().k_len.div_ceil(KEYS) - 1;
            assert_eq!(forward.stretches() - 1, more, "{adapter}: {case}");
            let dispatches = whole.dispatches + more as usize;
            assert_eq!(found.dispatches, dispatches, "{adapter}: {case}");
            let checked = reference.check(&found.outputs);
            checked.unwrap_or_else(|error| panic!("{adapter}: {case}: {error}"));
        });
    }
}

/// A log-sum-exp that nobody wants is the pass's own, and dispatches of a budget go on from it as well.
#[test]
fn what_stretches_go_on_from_is_there_for_every_dispatch() {
    let problem = Problem::builder(SHAPE).bias(T5).mask(Mask::CAUSAL);
    let problem = problem.query_offset(100).build().expect("valid");
    let data = Data::generate(&problem, 4);
    on_each(&problem, |adapter, context, forward| {
        let placed = Placed::new(context, &problem, &data);
        let out = |forward: &Forward, wanted: bool| {
            let all = placed.operands();
            let operands = ForwardOperands {
                lse: all.lse.clone().filter(|_| wanted),
                ..all
            };
            let bound = forward.bind(&operands).expect("buffers that fit");
            let outputs = placed.run(context, &bound).expect("a result");
            (bits(&outputs.out), bound.workspace_bytes())
        };
        let one = out(&forward, false);
        let forward = forward.with_stretch(KEYS);
        let (expected, given) = out(&forward, true);
        let (found, own) = out(&forward, false);
        assert_eq!(expected, found, "{adapter}");
        assert_eq!(given, one.1, "{adapter}");
        assert_eq!(own - given, 4 * 2 * 4 * 137, "{adapter}");
        let each = forward.with_budget(Budget { flops: 1 });
        assert_eq!(expected, out(&each, false).0, "{adapter}");
    });
}

/// 600 rows of eight heads have more log-sum-exps than a binding holds here.
#[test]
fn without_room_for_what_they_go_on_from_keys_are_met_at_once() {
    for (adapter, context) in limited(|limits| limits.max_storage_buffer_binding_size = 16_384) {
        for (q_len, stretches) in [(500, 5), (600, 1)] {
            let shape = Shape { q_len, ..SHAPE };
            let problem = Problem::builder(shape).build().expect("valid");
            let forward = context.forward(&problem).expect("a kernel");
            let broadcast = forward.variant().algorithm == Algorithm::Broadcast;
            let forward = forward.with_stretch(KEYS);
            let expected = if broadcast { stretches } else { 1 };
            assert_eq!(forward.stretches(), expected, "{adapter}");
            assert_eq!(forward.check_limits(), Ok(()), "{adapter}");
        }
    }
}

/// A position is moved in every stretch; those behind the keys that are there have none.
#[test]
fn stretches_move_on() {
    on_each(&last_rows(SHAPE, 300), |adapter, context, forward| {
        let forward = forward.with_stretch(KEYS);
        assert_moves(adapter, context, &forward, SHAPE, [300, 150, 20]);
    });
}

/// What a dispatch of all rows does with the keys of a stretch is within this budget, with all keys it is not.
#[test]
fn a_budget_is_of_the_keys_that_a_dispatch_meets() {
    let problem = Problem::builder(SHAPE).build().expect("valid");
    let data = Data::generate(&problem, 4);
    on_each(&problem, |adapter, context, forward| {
        let rows = 137_u32.next_multiple_of(forward.variant().q_tile());
        let flops = 4 * 2 * 4 * u64::from(rows) * u64::from(KEYS) * 8;
        let of = |flops| {
            let forward = forward.clone().with_stretch(KEYS);
            let forward = forward.with_budget(Budget { flops });
            Pass::new(context, &problem, &data, &forward).dispatches
        };
        assert_eq!(of(flops), 5, "{adapter}");
        assert_eq!(of(flops - 1), 10, "{adapter}");
    });
}

/// Values that are not finite reach the rows that see them, in whatever stretch they are, and no other.
#[test]
fn infinities_reach_who_sees_them() {
    let problem = Problem::builder(SHAPE).bias(T5).mask(Mask::CAUSAL);
    let problem = problem.query_offset(100).build().expect("valid");
    let mut data = Data::generate(&problem, 4);
    let at = |head: usize, key: usize| (head * 300 + key) * 8 + 3;
    data.v[at(0, 130)] = f32::INFINITY;
    data.v[at(1, 130)] = f32::NEG_INFINITY;
    data.v[at(1, 200)] = f32::INFINITY;
    data.v[at(2, 10)] = f32::NAN;
    data.k[at(3, 150)] = f32::NAN;
    let kind = |x: &f32| (x.is_nan(), x.is_infinite().then(|| x.is_sign_positive()));
    let kinds = |pass: &Pass| -> Vec<_> { pass.outputs.out.iter().map(kind).collect() };
    on_each(&problem, |adapter, context, forward| {
        let whole = Pass::new(context, &problem, &data, &forward);
        let found = Pass::new(context, &problem, &data, &forward.with_stretch(KEYS));
        assert!(kinds(&whole).contains(&(false, Some(true))), "{adapter}");
        assert_eq!(kinds(&whole), kinds(&found), "{adapter}");
        let pairs = whole.outputs.out.iter().zip(&found.outputs.out);
        let finite = pairs.filter(|(a, _)| a.is_finite());
        let apart = largest(finite.map(|(a, b)| f64::from(a - b)));
        assert!(apart <= 1e-6, "{adapter}: {apart}");
    });
}

#[test]
fn keys_that_a_cache_holds_are_met_at_once() {
    let of = |k_len| {
        Problem::builder(Shape {
            k_len,
            head_dim: 64,
            ..SHAPE
        })
    };
    let window = |left| Mask {
        window: Some(Window { left, right: 0 }),
        ..Mask::NONE
    };
    let packed = Mask {
        packed: Some(Packed { sequences: 2 }),
        ..Mask::NONE
    };
    let alone = Shape {
        batch: 1,
        k_len: 9000,
        head_dim: 64,
        ..SHAPE
    };
    for (builder, stretches) in [
        (of(2048), 1),
        (of(2049), 2),
        (of(9000), 5),
        (of(9000).value_dim(192), 9),
        (of(9000).mask(window(2048)), 1),
        (of(9000).mask(window(2049)), 5),
        (of(9000).dtype(Dtype::F16), 1),
        (Problem::builder(alone).mask(packed), 1),
    ] {
        let problem = builder.build().expect("valid");
        on_each(&problem, |adapter, _, forward| {
            assert_eq!(forward.stretches(), stretches, "{adapter}: {problem:?}");
            let reasons = forward.reasons();
            let reason = Reason::Stretches { stretches };
            assert_eq!(reasons.contains(&reason), stretches > 1, "{reasons:?}");
        });
    }
}

/// A name, a text of the shader, what stands there instead, and the case that has to refuse it.
const PLANTED: [[&str; 4]; 8] = [
    [
        "a stretch begins at the first key",
        "max(key_begin(), params.keys_first)",
        "key_begin()",
        "T5",
    ],
    [
        "a stretch ends with the last key",
        "min(key_end(), params.keys_end)",
        "key_end()",
        "T5",
    ],
    [
        "nothing is gone on from",
        "lane + params.keys_first >= LANES",
        "false",
        "T5",
    ],
    ["a maximum in base e", "before * LOG2_E", "before", "T5"],
    [
        "a sum of two",
        "select(1.0, 0.0, unseen_so_far)",
        "select(2.0, 0.0, unseen_so_far)",
        "T5",
    ],
    [
        "a sum of no keys",
        "select(1.0, 0.0, unseen_so_far)",
        "1.0",
        "window",
    ],
    [
        "outputs without what they were multiplied by",
        " / keep_scale();\n            }",
        ";\n            }",
        "dropout",
    ],
    [
        "stretches without keys write",
        "(begin < end) | !resumes",
        "begin < end",
        "rows that see nothing",
    ],
];

#[test]
fn planted_errors_are_noticed() {
    let cases = cases();
    for [name, from, to, case] in PLANTED {
        let (_, problem) = cases
            .iter()
            .find(|(name, _)| *name == case)
            .expect("a case");
        let data = Data::generate(problem, 4);
        let reference = Reference::new(problem, &data.inputs());
        on_each(problem, |adapter, context, forward| {
            let text = shader::link(forward.variant());
            assert!(text.contains(from), "{name}: there is no {from:?}");
            #[expect(
                unsafe_code,
                reason = "planted errors meet keys twice or begin with other numbers, within the same tensors"
            )]
            let planted = unsafe { context.with_text(forward, &text.replace(from, to)) };
            let planted = planted.expect("a kernel").with_stretch(KEYS);
            let placed = Placed::new(context, problem, &data);
            let bound = placed.bind(&planted).expect("buffers that fit");
            let found = placed.run(context, &bound);
            let checked = found.and_then(|outputs| reference.check(&outputs));
            assert!(checked.is_err(), "{adapter}: {name}: {case:?} is right");
        });
    }
}
