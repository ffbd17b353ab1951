//! Choices that contradict each other, and inputs that point nowhere: each refused by name, with what is allowed.

use relattn::cpu::{Attention, Inputs, Oracle};
use relattn::{
    Bias, Dropout, Fire, IndexFormat, InputError, Layout, Mask, Packed, Paged, Problem,
    ProblemBuilder, ProblemError, RelativeBuckets, Shape, Tensor,
};

const SHAPE: Shape = Shape {
    batch: 1,
    heads: 2,
    kv_heads: 2,
    q_len: 3,
    k_len: 5,
    head_dim: 2,
};
const T5: Bias = Bias::Relative(RelativeBuckets::t5_encoder());
const DENSE: Bias = Bias::Dense(Layout {
    batch: 0,
    head: 0,
    row: 5,
});
const FIRE: Bias = Bias::Fire { width: 4 };
const PACKED: Mask = Mask {
    packed: Some(Packed { sequences: 2 }),
    ..Mask::NONE
};

fn index(rows: u32, matrices: u32) -> Bias {
    Bias::Indexed {
        rows,
        matrices,
        each_sequence: false,
        format: IndexFormat::U8,
    }
}

fn refused(builder: ProblemBuilder) -> ProblemError {
    builder.build().expect_err("a contradiction")
}

/// That a message names these.
fn names(error: &impl ToString, words: &[&str]) {
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    }
}

#[test]
fn sums_that_no_kernel_forms_are_refused() {
    let sum = |biases: &[Bias]| {
        let builder = Problem::builder(SHAPE);
        biases.iter().fold(builder, |sum, &bias| sum.add_bias(bias))
    };
    names(
        &refused(sum(&[DENSE, T5, DENSE])),
        &["dense", "add the two up"],
    );
    names(&refused(sum(&[FIRE, FIRE])), &["FIRE", "another kind"]);
    let two = sum(&[index(3, 1), index(4, 1)]);
    names(&refused(two), &["indexed", "matrices"]);
    let error = refused(sum(&[DENSE]).gated(true));
    assert_eq!(error, ProblemError::NothingToGate);
    // Any number of biases by offset, and one of each other kind.
    let all = sum(&[T5, Bias::Alibi, T5, FIRE, index(3, 2), DENSE]).gated(true);
    let all = all.build().expect("a sum");
    assert_eq!(all.table_rows(), 32 + 1 + 32 + 15 + 6);
    assert_eq!(all.biases().len(), 6);
    // None adds nothing, and is no term.
    let none = sum(&[Bias::None, T5]).build().expect("a sum");
    assert_eq!(none.biases().len(), 1);
}

#[test]
fn sizes_out_of_range_are_refused() {
    let with = |bias| refused(Problem::builder(SHAPE).bias(bias));
    let width = ProblemError::FireWidth {
        found: 0,
        maximum: Bias::MAX_FIRE_WIDTH,
    };
    assert_eq!(with(Bias::Fire { width: 0 }), width);
    names(&with(Bias::Fire { width: 1000 }), &["1000", "1..=256"]);
    names(&with(index(3, 0)), &["0 index matrices", "1..="]);
    names(&with(index(257, 1)), &["257 rows", "1..=256"]);
    let pages =
        |block_size, blocks| refused(Problem::builder(SHAPE).paged(Paged { block_size, blocks }));
    names(&pages(0, 3), &["3 blocks of 0 keys"]);
    names(&pages(4, 0), &["0 blocks of 4 keys"]);
}

#[test]
fn probabilities_that_leave_nothing_or_are_none_are_refused() {
    let with = |probability| {
        let dropout = Dropout {
            probability,
            seed: 1,
        };
        Problem::builder(SHAPE).dropout(dropout).build()
    };
    for (probability, word) in [(1.0, "1;"), (-0.1, "-0.1;"), (f32::NAN, "NaN;")] {
        let error = with(probability).expect_err("no probability");
        names(&error, &["dropout", word, "below 1"]);
    }
    for probability in [0.0, 0.5, 0.999_999] {
        assert!(with(probability).is_ok(), "{probability}");
    }
}

#[test]
fn packed_batches_that_contradict_themselves_are_refused() {
    let many = Shape { batch: 2, ..SHAPE };
    let error = refused(Problem::builder(many).mask(PACKED));
    let expected = ProblemError::Packed {
        batch: 2,
        sequences: 2,
    };
    assert_eq!(error, expected);
    let nothing = Mask {
        packed: Some(Packed { sequences: 0 }),
        ..Mask::NONE
    };
    names(
        &refused(Problem::builder(SHAPE).mask(nothing)),
        &["0 sequences"],
    );
    for (mask, word) in [
        (
            Mask {
                key_lengths: true,
                ..PACKED
            },
            "key lengths",
        ),
        (
            Mask {
                query_lengths: true,
                ..PACKED
            },
            "query lengths",
        ),
    ] {
        let error = refused(Problem::builder(SHAPE).mask(mask));
        names(&error, &["a packed batch", word, "starts"]);
    }
    let paged = Problem::builder(SHAPE).mask(PACKED).paged(Paged {
        block_size: 2,
        blocks: 3,
    });
    names(&refused(paged), &["a packed batch", "a paged cache"]);
    let range = Problem::builder(SHAPE).mask(PACKED).key_offset(8);
    names(&refused(range), &["a packed batch", "a range of keys"]);
}

#[test]
fn offsets_past_32_bits_are_refused() {
    for (offset, mask) in [
        (1 << 30, Mask::NONE),
        (-(1 << 30), Mask::NONE),
        // Each sequence of a packed batch may lie behind the others.
        ((1 << 30) - 6, PACKED),
    ] {
        let error = refused(Problem::builder(SHAPE).mask(mask).query_offset(offset));
        names(&error, &[&offset.to_string(), "1073741823"]);
    }
    let both = |query_offset, key_offset| {
        let builder = Problem::builder(SHAPE).query_offset(query_offset);
        refused(builder.key_offset(key_offset))
    };
    names(&both(0, 1 << 31), &["key_offset 2147483648", "1073741823"]);
    // Each is near enough, and they are not to one another.
    names(&both(-(1 << 29), 1 << 29), &["-536870912", "536870912"]);
}

#[test]
fn starts_and_blocks_that_point_nowhere_are_refused() {
    let (rows, keys) = ([0.0; 12], [0.0; 20]);
    let three = Mask {
        packed: Some(Packed { sequences: 3 }),
        ..Mask::NONE
    };
    let problem = Problem::builder(SHAPE).mask(three).build().expect("valid");
    let starts = |queries: &[u32], keys_at: &[u32]| {
        let inputs = Inputs {
            query_starts: Some(queries),
            key_starts: Some(keys_at),
            ..Inputs::new(&rows, &keys, &keys)
        };
        Oracle.forward(&problem, &inputs).map(|_| ())
    };
    let wrong = |tensor, before, found, end| {
        Err(InputError::Starts {
            tensor,
            before,
            found,
            end,
        })
    };
    assert_eq!(starts(&[0, 1, 1, 3], &[0, 5, 5, 5]), Ok(()));
    for (queries, keys_at, error) in [
        (
            [1, 1, 1, 3],
            [0, 5, 5, 5],
            wrong(Tensor::QueryStarts, 0, 1, 3),
        ),
        (
            [0, 1, 1, 3],
            [0, 6, 5, 5],
            wrong(Tensor::KeyStarts, 0, 6, 5),
        ),
        (
            [0, 1, 1, 3],
            [0, 4, 3, 5],
            wrong(Tensor::KeyStarts, 4, 3, 5),
        ),
        (
            [0, 1, 1, 2],
            [0, 4, 5, 5],
            wrong(Tensor::QueryStarts, 1, 2, 3),
        ),
    ] {
        assert_eq!(starts(&queries, &keys_at), error);
    }
    let paged = Problem::builder(SHAPE)
        .paged(Paged {
            block_size: 2,
            blocks: 4,
        })
        .build()
        .expect("valid");
    let pool = [0.0; 4 * 2 * 2 * 2];
    let blocks = |table: &[u32]| {
        let inputs = Inputs {
            block_table: Some(table),
            ..Inputs::new(&rows, &pool, &pool)
        };
        Oracle.forward(&paged, &inputs).map(|_| ())
    };
    assert_eq!(blocks(&[3, 0, 1]), Ok(()));
    let past = InputError::BlockPastEnd {
        found: 4,
        blocks: 4,
    };
    assert_eq!(blocks(&[3, 4, 1]), Err(past));
}

#[test]
fn weights_of_fire_fit_one_another() {
    let fire = Fire {
        c: 0.1,
        init_l: 512.0,
        l_multiplier: -0.5,
        w1: &[1.0, 2.0],
        b1: &[3.0, 4.0],
        w2: &[5.0, 6.0, 7.0, 8.0, 9.0, 10.0],
        b2: &[11.0, 12.0, 13.0],
    };
    assert_eq!(fire.bias(), Ok(Bias::Fire { width: 2 }));
    let expected = [
        [0.1; 3],
        [-256.0; 3],
        [1.0; 3],
        [2.0; 3],
        [3.0; 3],
        [4.0; 3],
        [5.0, 7.0, 9.0],
        [6.0, 8.0, 10.0],
        [11.0, 12.0, 13.0],
    ];
    assert_eq!(fire.table(), Ok(expected.concat()));
    let odd = Fire {
        w2: &[1.0; 5],
        ..fire
    };
    let length = InputError::FireWeight {
        weight: "w2",
        found: 5,
        expected: 6,
    };
    assert_eq!(odd.table(), Err(length.clone()));
    assert_eq!(odd.bias(), Err(length));
}
