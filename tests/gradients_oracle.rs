//! The oracle's gradients against differences of its own output, and against what holds whatever the numbers are.

mod harness;

use harness::data::{Data, values};
use harness::elements;
use relattn::cpu::{AttentionGradient, ExactGradients, Oracle, Outputs};
use relattn::{
    Bias, Bits, Direction, Dropout, IndexFormat, InputError, Kerple, Layout, Mask, Packed, Paged,
    Problem, ProblemBuilder, RelativeBuckets, Shape, Tensor, Window,
};

/// Two sequences of unlike numbers of queries and keys, two query heads to a key head.
const SHAPE: Shape = Shape {
    batch: 2,
    heads: 4,
    kv_heads: 2,
    q_len: 9,
    k_len: 11,
    head_dim: 3,
};
/// Buckets that saturate within [`SHAPE`].
const BUCKETS: RelativeBuckets = RelativeBuckets {
    num_buckets: 8,
    max_distance: 8,
    direction: Direction::Bidirectional,
};
const T5: Bias = Bias::Relative(BUCKETS);
const FIRE: Bias = Bias::Fire { width: 4 };

fn builder(shape: Shape, biases: &[Bias]) -> ProblemBuilder {
    biases
        .iter()
        .fold(Problem::builder(shape), |built, &bias| built.add_bias(bias))
}

fn build(builder: ProblemBuilder) -> Problem {
    builder.build().expect("a valid problem")
}

/// The loss whose gradient with respect to the output is `dout`.
fn loss(problem: &Problem, data: &Data, dout: &[f32]) -> f64 {
    let exact = Oracle.exact(problem, &data.inputs()).expect("valid inputs");
    let products = exact.out.iter().zip(dout);
    products.map(|(o, &d)| o * f64::from(d)).sum()
}

/// A tensor of the inputs that has a gradient.
type Select = fn(&mut Data) -> Option<&mut Vec<f32>>;

/// Differences of the loss over those of each element in turn.
fn differences(problem: &Problem, data: &Data, dout: &[f32], select: Select) -> Option<Vec<f64>> {
    const STEP: f32 = 1.0 / 8192.0;
    let mut data = data.clone();
    let count = select(&mut data)?.len();
    let derivative = |n: usize| {
        let mut at = |step: f32| {
            let value = &mut select(&mut data).expect("the tensor")[n];
            let before = *value;
            *value += step;
            let after = *value;
            let loss = loss(problem, &data, dout);
            select(&mut data).expect("the tensor")[n] = before;
            (f64::from(after), loss)
        };
        let ((above, high), (below, low)) = (at(STEP), at(-STEP));
        (high - low) / (above - below)
    };
    Some((0..count).map(derivative).collect())
}

fn check_against_differences(name: &str, problem: &Problem, data: &Data) {
    let dout = values(elements(problem, Tensor::DOut), 99);
    let ExactGradients {
        dq,
        dk,
        dv,
        dtable,
        dgate,
        dbias,
    } = Oracle
        .exact_gradients(problem, &data.inputs(), &dout)
        .expect("valid inputs");
    let tensors: [(&str, Option<Vec<f64>>, Select); 6] = [
        ("dq", Some(dq), |data| Some(&mut data.q)),
        ("dk", Some(dk), |data| Some(&mut data.k)),
        ("dv", Some(dv), |data| Some(&mut data.v)),
        ("dtable", dtable, |data| data.table.as_mut()),
        ("dgate", dgate, |data| data.gate.as_mut()),
        ("dbias", dbias, |data| data.bias.as_mut()),
    ];
    for (tensor, found, select) in tensors {
        let expected = differences(problem, data, &dout, select);
        assert_eq!(found.is_some(), expected.is_some(), "{name}: {tensor}");
        let (found, expected) = (found.unwrap_or_default(), expected.unwrap_or_default());
        assert_eq!(found.len(), expected.len(), "{name}: {tensor}");
        let magnitude = expected
            .iter()
            .fold(0.0, |most, value| value.abs().max(most));
        for (n, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (found - expected).abs();
            assert!(
                error <= 1e-6 * magnitude,
                "{name}: {tensor}[{n}] is {found}, differences say {expected}"
            );
        }
        assert!(magnitude > 0.0 || found.is_empty(), "{name}: {tensor} is 0");
    }
}

fn check(name: &str, builder: ProblemBuilder) {
    let problem = build(builder);
    check_against_differences(name, &problem, &Data::generate(&problem, 7));
}

#[test]
fn of_every_family() {
    let decoder = RelativeBuckets {
        direction: Direction::Causal,
        ..BUCKETS
    };
    let indexed = |matrices, each_sequence| Bias::Indexed {
        rows: 5,
        matrices,
        each_sequence,
        format: IndexFormat::U32,
    };
    for (name, bias) in [
        ("T5", T5),
        ("T5, causal buckets", Bias::Relative(decoder)),
        ("per offset", Bias::PerOffset { max_offset: 3 }),
        ("ALiBi", Bias::Alibi),
        ("KERPLE, logarithmic", Bias::Kerple(Kerple::Log)),
        ("KERPLE, power", Bias::Kerple(Kerple::Power)),
        ("an index matrix", indexed(1, false)),
        ("two index matrices", indexed(2, true)),
    ] {
        check(name, builder(SHAPE, &[bias]).query_offset(1));
    }
    let sandwich = Bias::Sandwich { dimensions: 6 };
    check("Sandwich and no parameters", builder(SHAPE, &[sandwich]));
    check("no bias", builder(SHAPE, &[]));
}

#[test]
fn of_fire_with_numbers_of_either_sign_and_equal_arguments() {
    let problem = build(builder(SHAPE, &[FIRE]).query_offset(16));
    let mut data = Data::generate(&problem, 7);
    // L is about 20, so that some positions are beyond it.
    check_against_differences("FIRE", &problem, &data);
    let table = data.table.as_mut().expect("a table");
    table[..2].iter_mut().for_each(|c| *c = -*c);
    table[5..7].iter_mut().for_each(|length| *length = -*length);
    check_against_differences("FIRE, negative c and L", &problem, &data);
    data.table.as_mut().expect("a table")[4..8].copy_from_slice(&[20.0, -20.0, 17.0, 16.0]);
    check_against_differences("FIRE, L is a position", &problem, &data);
}

#[test]
fn of_sums_gates_and_dense_biases() {
    let dense = |each_sequence, each_head| {
        Bias::Dense(Layout::dense_bias(&SHAPE, each_sequence, each_head).expect("small"))
    };
    let of_all_queries = Bias::Dense(Layout {
        batch: 0,
        head: 11,
        row: 0,
    });
    let indexed = Bias::Indexed {
        rows: 4,
        matrices: 2,
        each_sequence: false,
        format: IndexFormat::U8,
    };
    check("dense", builder(SHAPE, &[dense(true, true)]));
    check(
        "dense, shared by heads",
        builder(SHAPE, &[dense(true, false)]),
    );
    check(
        "dense, shared by the batch",
        builder(SHAPE, &[dense(false, true)]),
    );
    check(
        "dense, shared by queries",
        builder(SHAPE, &[of_all_queries]),
    );
    check("gated", builder(SHAPE, &[T5]).gated(true));
    let all = [
        Bias::Alibi,
        T5,
        Bias::Sandwich { dimensions: 4 },
        FIRE,
        indexed,
        Bias::Kerple(Kerple::Log),
        dense(false, true),
    ];
    check("a sum", builder(SHAPE, &all).query_offset(18));
    check(
        "a gated sum",
        builder(SHAPE, &all).gated(true).query_offset(18),
    );
}

#[test]
fn behind_every_mask() {
    let own = Mask {
        key_lengths: true,
        query_lengths: true,
        ..Mask::NONE
    };
    let window = Window { left: 4, right: 2 };
    let bits = Bits {
        each_sequence: true,
        each_head: true,
    };
    let bits = Mask {
        bits: Some(bits),
        keys: true,
        ..Mask::NONE
    };
    let documents = Mask {
        documents: true,
        ..Mask::NONE
    };
    let window = Mask {
        window: Some(window),
        ..Mask::NONE
    };
    for (name, mask) in [
        ("causal", Mask::CAUSAL),
        ("window", window),
        ("lengths", own),
        ("bits and a key mask", bits),
        ("documents", documents),
    ] {
        let sum = builder(SHAPE, &[T5, Bias::Alibi]).query_offset(-2);
        let problem = build(sum.mask(mask).value_dim(2));
        let mut data = Data::generate(&problem, 7);
        for (n, word) in (1_u32..).zip(data.mask_bits.iter_mut().flatten()) {
            *word = n.wrapping_mul(0x9e37_79b9);
        }
        check_against_differences(name, &problem, &data);
    }
    let packed = Mask {
        packed: Some(Packed { sequences: 4 }),
        ..Mask::CAUSAL
    };
    let one = Shape {
        batch: 1,
        q_len: 30,
        k_len: 27,
        ..SHAPE
    };
    check(
        "packed",
        builder(one, &[T5, FIRE]).mask(packed).query_offset(2),
    );
}

#[test]
fn of_tensors_with_gaps() {
    let layout = |heads, features| Layout {
        batch: (heads * features + 1) * 11 + 7,
        head: features,
        row: heads * features + 1,
    };
    let mut builder = builder(SHAPE, &[T5]).value_dim(2);
    for (tensor, layout) in [
        (Tensor::Q, layout(5, 3)),
        (Tensor::K, layout(3, 3)),
        (Tensor::V, layout(2, 2)),
        (Tensor::Out, layout(4, 2)),
    ] {
        builder = builder
            .layout(tensor, layout)
            .expect("a tensor with a layout");
    }
    check("gaps", builder);
}

#[test]
fn with_dropout() {
    let dropout = Dropout {
        probability: 0.4,
        seed: 0x0123_4567_89ab_cdef,
    };
    let sum = builder(SHAPE, &[T5, FIRE]).gated(true).dropout(dropout);
    check("dropout", sum.mask(Mask::CAUSAL).query_offset(2));
    let packed = Mask {
        packed: Some(Packed { sequences: 3 }),
        ..Mask::NONE
    };
    let one = Shape {
        batch: 1,
        q_len: 21,
        k_len: 19,
        ..SHAPE
    };
    check(
        "dropout, packed",
        builder(one, &[T5]).dropout(dropout).mask(packed),
    );
}

fn gradients(problem: &Problem, data: &Data) -> ExactGradients {
    let dout = values(elements(problem, Tensor::DOut), 5);
    Oracle
        .exact_gradients(problem, &data.inputs(), &dout)
        .expect("valid inputs")
}

#[test]
fn gradients_of_a_table_cancel_and_an_unreachable_bucket_has_none() {
    let problem = build(builder(SHAPE, &[T5]));
    let dtable = gradients(&problem, &Data::generate(&problem, 3))
        .dtable
        .expect("a table");
    let heads = SHAPE.heads as usize;
    for head in 0..heads {
        let column: Vec<f64> = dtable.iter().copied().skip(head).step_by(heads).collect();
        let magnitude: f64 = column.iter().map(|value| value.abs()).sum();
        let sum: f64 = column.iter().sum();
        assert!(sum.abs() <= 1e-14 * magnitude, "{sum} of {magnitude}");
        assert_eq!(column[4].to_bits(), 0, "bucket num_buckets / 2");
        let reached = column.iter().filter(|&&value| value != 0.0);
        assert_eq!(reached.count(), 7);
    }
}

#[test]
fn a_constant_in_the_table_changes_nothing() {
    let problem = build(builder(SHAPE, &[T5]));
    let mut data = Data::generate(&problem, 3);
    let exact = |data: &Data| {
        Oracle
            .exact(&problem, &data.inputs())
            .expect("valid inputs")
    };
    let (before, unshifted) = (gradients(&problem, &data), exact(&data));
    // The numbers are multiples of 2^-15, so that this is exact.
    let table = data.table.as_mut().expect("a table");
    table.iter_mut().for_each(|value| *value += 3.0);
    let after = gradients(&problem, &data);
    let shifted = exact(&data);
    let dtable = |gradients: &ExactGradients| gradients.dtable.clone().expect("a table");
    let lse: Vec<f64> = unshifted.lse.iter().map(|lse| lse + 3.0).collect();
    for (before, after) in [
        (&unshifted.out, &shifted.out),
        (&lse, &shifted.lse),
        (&before.dq, &after.dq),
        (&before.dk, &after.dk),
        (&before.dv, &after.dv),
        (&dtable(&before), &dtable(&after)),
    ] {
        for (before, after) in before.iter().zip(after) {
            assert!((before - after).abs() <= 1e-13, "{before}, then {after}");
        }
    }
}

#[test]
fn what_is_hidden_stays_hidden() {
    let mask = Mask {
        key_lengths: true,
        query_lengths: true,
        ..Mask::NONE
    };
    let problem = build(builder(SHAPE, &[T5]).mask(mask));
    let mut data = Data::generate(&problem, 3);
    let mut dout = values(elements(&problem, Tensor::DOut), 5);
    let clean = Oracle.exact_gradients(&problem, &data.inputs(), &dout);
    // Of the second sequence 6 queries and 7 keys are used.
    let (q, k) = ((4 * 9 + 6) * 3, (2 * 11 + 7) * 3);
    let spoil = |values: &mut [f32]| values.fill(f32::INFINITY);
    spoil(&mut data.q[q..][..9]);
    spoil(&mut data.k[k..][..12]);
    spoil(&mut data.v[k..][..12]);
    dout[q..][..9].fill(f32::NAN);
    let spoilt = Oracle.exact_gradients(&problem, &data.inputs(), &dout);
    assert_eq!(spoilt, clean);
    let dv = clean.expect("valid inputs").dv;
    assert!(dv[k..][..12].iter().all(|value| value.to_bits() == 0));
}

#[test]
fn what_cannot_be_differentiated_is_named() {
    let paged = Paged {
        block_size: 4,
        blocks: 6,
    };
    let problem = build(builder(SHAPE, &[]).paged(paged));
    let data = Data::generate(&problem, 3);
    let dout = vec![0.0; elements(&problem, Tensor::DOut)];
    let error = Oracle.exact_gradients(&problem, &data.inputs(), &dout);
    assert!(matches!(
        error,
        Err(InputError::NoBackward {
            what: "a paged cache",
            ..
        })
    ));
    let problem = build(builder(SHAPE, &[]));
    let data = Data::generate(&problem, 3);
    let outputs = |out: usize, lse: usize| Outputs {
        out: vec![0.0; out],
        lse: vec![0.0; lse],
    };
    for (tensor, outputs, dout, found, expected) in [
        (Tensor::Out, outputs(215, 72), &dout[..], 215, 216),
        (Tensor::Lse, outputs(216, 71), &dout[..], 71, 72),
        (Tensor::DOut, outputs(216, 72), &dout[..10], 10, 216),
    ] {
        let error = Oracle.backward(&problem, &data.inputs(), &outputs, dout);
        let length = InputError::Length {
            tensor,
            found,
            expected,
        };
        assert_eq!(error, Err(length));
    }
}
