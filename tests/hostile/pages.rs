//! Blocks that the pool does not have, and caches that claim to be fuller than they are.

use relattn::{Dtype, Mask, Paged, Problem, Shape};

use super::arena::{Arena, equals_the_truth};
use crate::harness::adapters::shared;
use crate::harness::compare::Reference;
use crate::harness::data::Data;

const PAGED: Paged = Paged {
    block_size: 4,
    blocks: 9,
};

fn problem(q_len: u32, dtype: Dtype) -> Problem {
    let shape = Shape {
        batch: 3,
        heads: 2,
        kv_heads: 1,
        q_len,
        k_len: 30,
        head_dim: 4,
    };
    let mask = Mask {
        key_lengths: true,
        ..Mask::NONE
    };
    let builder = Problem::builder(shape).mask(mask).paged(PAGED).dtype(dtype);
    builder.build().expect("a valid problem")
}

/// Blocks past the pool, by one and by as much as a word holds; lengths past the keys, in every sequence but one.
fn lies(problem: &Problem) -> Data {
    let mut data = Data::generate(problem, 11);
    let blocks = data.block_table.as_mut().expect("blocks");
    let wild = [9, u32::MAX, 1 << 31, 0x7fc0_dead, 1 << 30, 10];
    for (n, block) in blocks.iter_mut().enumerate().filter(|(n, _)| n % 3 == 1) {
        *block = wild[n / 3 % wild.len()];
    }
    data.key_lengths = Some(vec![u32::MAX, 31, 7]);
    data
}

/// A block past the pool counts as its last, a length past the keys as their number.
fn truth(problem: &Problem, lies: &Data, filled: u32) -> Data {
    let cut = |numbers: &Option<Vec<u32>>, most: u32| {
        let numbers = numbers.iter().flatten();
        Some(numbers.map(|&number| number.min(most)).collect())
    };
    Data {
        block_table: cut(&lies.block_table, PAGED.blocks - 1),
        key_lengths: cut(&lies.key_lengths, filled.min(problem.shape().k_len)),
        ..lies.clone()
    }
}

#[test]
fn blocks_past_the_pool_are_its_last() {
    for (q_len, dtype) in [(2, Dtype::F32), (2, Dtype::Bf16), (21, Dtype::F32)] {
        let problem = problem(q_len, dtype);
        let lies = lies(&problem);
        equals_the_truth(&problem, &lies, &truth(&problem, &lies, u32::MAX));
    }
}

/// A position past the capacity is refused; lengths go no further than what is filled.
#[test]
fn lengths_end_where_the_cache_is_filled() {
    let problem = problem(2, Dtype::F32);
    let lies = lies(&problem);
    let filled = 13;
    let reference = Reference::new(&problem, &truth(&problem, &lies, filled).inputs());
    for (name, context) in shared().iter() {
        let forward = context.forward(&problem).expect("a kernel");
        let arena = Arena::new(context, &problem, &lies);
        let bound = arena.bind(&forward);
        for past in [31, 1 << 30, u32::MAX] {
            assert!(
                bound.set_position(context.queue(), 0, past).is_err(),
                "{name}"
            );
        }
        for offset in [i32::MIN, i32::MAX, -(1 << 30)] {
            assert!(
                bound.set_position(context.queue(), offset, 13).is_err(),
                "{name}"
            );
        }
        bound
            .set_position(context.queue(), 0, filled)
            .expect("a position");
        let found = arena
            .run(context, &bound)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        reference
            .check(&found)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
