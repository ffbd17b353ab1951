//! `relattn attend` with every mask of a file, against what it says in words.

mod harness;

use std::collections::HashMap;

use harness::Made;
use harness::reference::{Case, Score, number};
use safetensors::Dtype;

type Tensors = HashMap<&'static str, Made>;

/// B 2, H 2, Nq 5, Nk 70: rows of three words of bits.
fn tensors() -> Tensors {
    HashMap::from([
        ("q", Made::floats(&[2, 2, 5, 4])),
        ("k", Made::floats(&[2, 1, 70, 4])),
        ("v", Made::floats(&[2, 1, 70, 4])),
    ])
}

fn agrees(tensors: &Tensors, options: &[&str], visible: &dyn Fn(Score) -> bool) {
    let bias = &|_| 0.0;
    Case {
        tensors,
        bias,
        visible,
    }
    .agrees(options);
}

#[test]
fn a_mask_of_each_score() {
    for (dtype, sequences, heads) in [
        (Dtype::U8, 1, 1),
        (Dtype::BOOL, 2, 1),
        (Dtype::U8, 1, 2),
        (Dtype::U8, 2, 2),
    ] {
        let count = sequences * heads * 5 * 70;
        let data: Vec<u8> = (0..count).map(|n| u8::from(n * n % 7 < 3)).collect();
        let mut tensors = tensors();
        let mask = Made {
            dtype,
            shape: vec![sequences, heads, 5, 70],
            data: data.clone(),
        };
        tensors.insert("mask", mask);
        agrees(&tensors, &["--bias=none"], &|[b, head, i, j]| {
            let plane = b.min(sequences - 1) * heads + head.min(heads - 1);
            data[(plane * 5 + i) * 70 + j] != 0
        });
    }
}

#[test]
fn documents() {
    let mut tensors = tensors();
    let queries: Vec<u32> = (0..10).map(|n| n / 3).collect();
    let keys: Vec<u32> = (0..140).map(|n| n / 31).collect();
    tensors.insert("query_documents", Made::words(&[2, 5], &queries));
    tensors.insert("key_documents", Made::words(&[2, 70], &keys));
    agrees(&tensors, &["--bias=none"], &|[b, _, i, j]| {
        queries[b * 5 + i] == keys[b * 70 + j]
    });
}

#[test]
fn lengths_of_queries_and_keys() {
    let mut tensors = tensors();
    tensors.insert("query_lengths", Made::words(&[2], &[5, 2]));
    agrees(&tensors, &["--bias=none"], &|[b, _, i, _]| i < [5, 2][b]);
    tensors.insert("key_lengths", Made::words(&[2], &[40, 70]));
    agrees(&tensors, &["--bias=none"], &|[b, _, i, j]| {
        i < [5, 2][b] && j < [40, 70][b]
    });
}

/// Three sequences, the second without a query; positions begin anew in each.
#[test]
fn a_packed_batch() {
    let (queries, keys) = ([0, 4, 4, 9], [0, 6, 10, 20]);
    let tensors = HashMap::from([
        ("q", Made::floats(&[1, 2, 9, 4])),
        ("k", Made::floats(&[1, 2, 20, 4])),
        ("v", Made::floats(&[1, 2, 20, 4])),
        ("query_starts", Made::words(&[4], &queries)),
        ("key_starts", Made::words(&[4], &keys)),
    ]);
    // Sequence and place in it.
    let place = |starts: [u32; 4], row: usize| {
        let begun = starts[..3].iter().filter(|&&start| start as usize <= row);
        let sequence = begun.count() - 1;
        (sequence, number(row) - f64::from(starts[sequence]))
    };
    let offset = |[_, _, i, j]: Score| place(keys, j).1 - place(queries, i).1 - 1.0;
    Case {
        tensors: &tensors,
        bias: &|score| -offset(score).abs() / [16.0, 256.0][score[1]],
        visible: &|score| {
            let [_, _, i, j] = score;
            place(queries, i).0 == place(keys, j).0 && offset(score) <= 0.0
        },
    }
    .agrees(&["--bias=alibi", "--causal", "--query-offset=1"]);
}
