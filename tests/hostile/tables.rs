//! Indices that name no row of the table, of every width, up to the last byte of their buffer.

use relattn::{Bias, IndexFormat, Mask, Problem, Shape};

use super::arena::equals_the_truth;
use crate::harness::data::Data;

/// Rows of an odd number of keys, so that they begin anywhere in a word, and the last word is not full.
fn problem(q_len: u32, matrices: u32, format: IndexFormat) -> Problem {
    let shape = Shape {
        batch: 2,
        heads: 2,
        kv_heads: 2,
        q_len,
        k_len: 41,
        head_dim: 4,
    };
    let bias = Bias::Indexed {
        rows: 37,
        matrices,
        each_sequence: false,
        format,
    };
    let mask = Mask {
        key_lengths: true,
        ..Mask::NONE
    };
    let builder = Problem::builder(shape).bias(bias).mask(mask);
    builder.build().expect("a valid problem")
}

/// Every second index is past the table, by one and by as much as its format holds.
fn lies(problem: &Problem, most: u32) -> Data {
    let mut data = Data::generate(problem, 17);
    let wild = [37, most, most / 2, 38, most - 1];
    let indices = data.indices.as_mut().expect("indices");
    for (n, index) in indices.iter_mut().enumerate().filter(|(n, _)| n % 2 == 1) {
        *index = wild[n / 2 % wild.len()];
    }
    *indices.last_mut().expect("an index") = most;
    data.key_lengths = Some(vec![u32::MAX, 1 << 31]);
    data
}

/// An index past the table adds 0, in the oracle as well; a length past the keys is their number.
#[test]
fn indices_past_the_table_add_nothing() {
    for (q_len, matrices, format, most) in [
        (21, 1, IndexFormat::U8, 0xff),
        (3, 2, IndexFormat::U8, 0xff),
        (3, 1, IndexFormat::U16, 0xffff),
        (3, 1, IndexFormat::U32, u32::MAX),
    ] {
        let problem = problem(q_len, matrices, format);
        let lies = lies(&problem, most);
        let truth = Data {
            key_lengths: Some(vec![41, 41]),
            ..lies.clone()
        };
        equals_the_truth(&problem, &lies, &truth);
    }
}
