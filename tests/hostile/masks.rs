//! Lengths, starts, documents and bits of any value.

use relattn::{Bias, Bits, Layout, Mask, Packed, Problem, RelativeBuckets, Shape, Tensor};

use super::arena::{equals_the_truth, on_every_device};
use crate::harness::data::Data;
use crate::harness::device::POISON;

fn problem(q_len: u32, mask: Mask, bias: Bias) -> Problem {
    let shape = Shape {
        batch: if mask.packed.is_some() { 1 } else { 4 },
        heads: 2,
        kv_heads: 1,
        q_len,
        k_len: 70,
        head_dim: 4,
    };
    let builder = Problem::builder(shape).mask(mask).bias(bias);
    builder.build().expect("a valid problem")
}

const LENGTHS: Mask = Mask {
    key_lengths: true,
    query_lengths: true,
    ..Mask::NONE
};

/// A length past the rows is their number.
#[test]
fn lengths_end_with_the_tensors() {
    for q_len in [3, 40] {
        let t5 = Bias::Relative(RelativeBuckets::t5_encoder());
        let problem = problem(q_len, LENGTHS, t5);
        let mut lies = Data::generate(&problem, 3);
        lies.key_lengths = Some(vec![u32::MAX, 71, 1 << 31, 0]);
        lies.query_lengths = Some(vec![q_len + 1, u32::MAX, 0x7fc0_dead, 1 << 31]);
        let truth = Data {
            key_lengths: Some(vec![70, 70, 70, 0]),
            query_lengths: Some(vec![q_len; 4]),
            ..lies.clone()
        };
        equals_the_truth(&problem, &lies, &truth);
    }
}

/// Nothing is addressed by documents and bits: any number is one.
#[test]
fn documents_and_bits_may_be_anything() {
    let mask = Mask {
        documents: true,
        bits: Some(Bits {
            each_sequence: true,
            each_head: false,
        }),
        ..Mask::NONE
    };
    let problem = problem(9, mask, Bias::None);
    let mut lies = Data::generate(&problem, 3);
    let wild = |all: &mut Option<Vec<u32>>, numbers: &[u32]| {
        let all = all.as_mut().expect("a mask");
        let numbers = numbers.iter().cycle();
        all.iter_mut()
            .zip(numbers)
            .for_each(|(to, &from)| *to = from);
    };
    wild(&mut lies.query_documents, &[u32::MAX, 0x7fc0_dead, 1 << 31]);
    wild(
        &mut lies.key_documents,
        &[1 << 31, u32::MAX, 0x7fc0_dead, 0],
    );
    equals_the_truth(&problem, &lies, &lies.clone());
}

const PACKED: Mask = Mask {
    packed: Some(Packed { sequences: 5 }),
    ..Mask::NONE
};

/// A start past the rows is their end, so that what follows is empty. Behind the rows of each head is a gap, where a row too many would
/// lie.
#[test]
fn starts_end_with_the_rows() {
    let problem = problem(40, PACKED, Bias::Alibi);
    let gaps = Layout {
        batch: 2 * 60 * 4,
        head: 60 * 4,
        row: 4,
    };
    let builder = problem.to_builder().layout(Tensor::Out, gaps);
    let problem = builder.expect("a layout").build().expect("valid");
    let mut lies = Data::generate(&problem, 3);
    lies.query_starts = Some(vec![0, 7, 29, 41, 1 << 31, u32::MAX]);
    lies.key_starts = Some(vec![0, 33, 50, 0x7fc0_dead, u32::MAX, u32::MAX]);
    let truth = Data {
        query_starts: Some(vec![0, 7, 29, 40, 40, 40]),
        key_starts: Some(vec![0, 33, 50, 70, 70, 70]),
        ..lies.clone()
    };
    equals_the_truth(&problem, &lies, &truth);
}

/// Starts without any order: whatever is written is a row of the output, and made of rows of the inputs. No two of these sequences
/// share a row, so that the bits do not depend on who comes first.
#[test]
fn starts_without_order_stay_in_the_tensors() {
    let problem = problem(40, PACKED, Bias::Alibi);
    let mut lies = Data::generate(&problem, 3);
    for [queries, keys] in [
        [[u32::MAX; 6], [u32::MAX; 6]],
        [[40, 30, 20, 10, 5, 0], [70, 60, 40, 20, 10, 0]],
        [[10, 20, 15, 12, 11, 10], [50, 60, 2, u32::MAX, 0, 1]],
        [[0; 6], [0, u32::MAX, 0, u32::MAX, 0, u32::MAX]],
        [[3, 3, 3, 30, 30, 30], [0x7fc0_dead, 1 << 31, 7, 69, 71, 70]],
    ] {
        lies.query_starts = Some(queries.to_vec());
        lies.key_starts = Some(keys.to_vec());
        on_every_device(&problem, &lies, |name, found| {
            let mut written = found.out.iter().filter(|value| value.to_bits() != POISON);
            assert!(
                written.all(|value| value.is_finite()),
                "{name}: {queries:?}, {keys:?}"
            );
        });
    }
}
