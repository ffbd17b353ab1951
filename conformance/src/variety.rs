//! The part of the catalogue that varies one thing at a time: biases, masks, types, dimensions.

use super::catalogue::{BOTH, Case, DECODER, ENCODER, KEYS, builder, case, strided_as};
use relattn::{Bias, Bits, Dtype, Kerple, Layout, Mask, Shape, Window};

/// Every other bias, within and past the offsets of its own, in the kernels' several ways.
pub(super) fn families() -> Vec<Case> {
    let shape = Shape {
        batch: 2,
        heads: 3,
        kv_heads: 3,
        q_len: 70,
        k_len: 45,
        head_dim: 24,
    };
    let dense = |each_sequence, each_head| {
        Bias::Dense(Layout::dense_bias(&shape, each_sequence, each_head).expect("small"))
    };
    let padded = Bias::Dense(Layout {
        batch: 0,
        head: 70 * 50,
        row: 50,
    });
    let sandwich = Bias::Sandwich { dimensions: 128 };
    let own = [2, 3, 3, 70, 45, 24];
    let long = [1, 3, 3, 150, 330, 24];
    vec![
        case(
            "per offset",
            long,
            Bias::PerOffset { max_offset: 37 },
            Mask::NONE,
            11,
        ),
        case(
            "per offset, all its own",
            own,
            Bias::PerOffset { max_offset: 400 },
            Mask::NONE,
            -5,
        ),
        case(
            "per offset, causal, one number a side",
            own,
            Bias::PerOffset { max_offset: 1 },
            BOTH,
            3,
        ),
        case(
            "per offset, a single number",
            own,
            Bias::PerOffset { max_offset: 0 },
            Mask::NONE,
            0,
        ),
        case("ALiBi", long, Bias::Alibi, Mask::NONE, 40),
        case("ALiBi, causal", own, Bias::Alibi, Mask::CAUSAL, 0),
        case(
            "KERPLE, logarithmic",
            long,
            Bias::Kerple(Kerple::Log),
            Mask::NONE,
            40,
        ),
        case(
            "KERPLE, power",
            long,
            Bias::Kerple(Kerple::Power),
            Mask::CAUSAL,
            180,
        ),
        case("Sandwich", long, sandwich, Mask::NONE, 0),
        case(
            "Sandwich, narrow, causal",
            own,
            Bias::Sandwich { dimensions: 6 },
            Mask::CAUSAL,
            0,
        ),
        case(
            "dense, for each head",
            own,
            dense(true, true),
            Mask::NONE,
            0,
        ),
        case("dense, shared by heads", own, dense(true, false), KEYS, 0),
        case(
            "dense, shared by all",
            own,
            dense(false, false),
            Mask::CAUSAL,
            2,
        ),
        case(
            "dense, shared by the batch, padded rows",
            own,
            padded,
            Mask::NONE,
            0,
        ),
    ]
}

/// Windows and key lengths, alone and with the other masks.
pub(super) fn masks() -> Vec<Case> {
    let window = |left, right| Mask {
        window: Some(Window { left, right }),
        ..Mask::NONE
    };
    let lengths = Mask {
        key_lengths: true,
        ..Mask::NONE
    };
    let all = Mask {
        keys: true,
        key_lengths: true,
        ..window(29, 3)
    };
    let queries = Mask {
        query_lengths: true,
        ..Mask::NONE
    };
    let documents = Mask {
        documents: true,
        ..Mask::NONE
    };
    let bits = |each_sequence, each_head| Mask {
        bits: Some(Bits {
            each_sequence,
            each_head,
        }),
        ..Mask::NONE
    };
    let local = [1, 2, 2, 300, 300, 16];
    let small = [3, 2, 1, 90, 77, 20];
    vec![
        case("window", local, ENCODER, window(40, 9), 0),
        case(
            "window into the first key of a tile",
            local,
            ENCODER,
            window(3, 1),
            0,
        ),
        case("window of one key", local, Bias::None, window(0, 0), 0),
        case(
            "window before the query, causal",
            local,
            DECODER,
            Mask {
                causal: true,
                ..window(64, 1000)
            },
            0,
        ),
        case(
            "window that reaches everything",
            small,
            ENCODER,
            window(u32::MAX, u32::MAX),
            -9,
        ),
        case(
            "window beyond the keys",
            small,
            Bias::None,
            window(5, 5),
            80,
        ),
        case(
            "window, query offset",
            [1, 2, 2, 33, 400, 24],
            ENCODER,
            window(100, 20),
            250,
        ),
        case("key lengths", small, ENCODER, lengths, 0),
        case(
            "key lengths, causal",
            small,
            DECODER,
            Mask {
                causal: true,
                ..lengths
            },
            5,
        ),
        case("query lengths", small, ENCODER, queries, 0),
        case(
            "query and key lengths",
            small,
            ENCODER,
            Mask {
                key_lengths: true,
                ..queries
            },
            0,
        ),
        case("documents", local, ENCODER, documents, 0),
        case(
            "documents, causal, no bias",
            small,
            Bias::None,
            Mask {
                causal: true,
                ..documents
            },
            3,
        ),
        case("bits for each head", small, ENCODER, bits(true, true), 0),
        case(
            "bits shared by heads",
            small,
            Bias::None,
            bits(true, false),
            0,
        ),
        case(
            "bits shared by the batch",
            small,
            DECODER,
            Mask {
                causal: true,
                ..bits(false, true)
            },
            0,
        ),
        case(
            "bits shared by all, window",
            small,
            ENCODER,
            Mask {
                window: Some(Window {
                    left: 20,
                    right: 30,
                }),
                ..bits(false, false)
            },
            0,
        ),
        case(
            "documents and bits",
            small,
            Bias::None,
            Mask {
                documents: true,
                ..bits(false, false)
            },
            0,
        ),
        case("every mask", small, ENCODER, all, 4),
        case(
            "every mask, dense",
            small,
            Bias::Dense(Layout {
                batch: 0,
                head: 0,
                row: 77,
            }),
            Mask {
                causal: true,
                ..all
            },
            4,
        ),
    ]
}

/// Sixteen bits: features in whole fours and not, every kind of bias, masks, gaps between rows.
pub(super) fn types() -> Vec<Case> {
    let mut cases = Vec::new();
    for (dtype, names) in [
        (
            Dtype::F16,
            ["f16", "f16, D = 6", "f16, dense", "f16, padded rows"],
        ),
        (
            Dtype::Bf16,
            ["bf16", "bf16, D = 6", "bf16, dense", "bf16, padded rows"],
        ),
    ] {
        let shape = |head_dim| Shape {
            batch: 2,
            heads: 2,
            kv_heads: 1,
            q_len: 70,
            k_len: 45,
            head_dim,
        };
        let dense = Bias::Dense(Layout::dense_bias(&shape(24), false, true).expect("small"));
        for (name, head_dim, bias, mask) in [
            (names[0], 24, ENCODER, Mask::NONE),
            (names[1], 6, DECODER, BOTH),
            (names[2], 24, dense, Mask::NONE),
        ] {
            let built = builder(shape(head_dim), bias, mask, 0).dtype(dtype).build();
            cases.push(Case {
                name,
                problem: built.expect("a valid case"),
            });
        }
        cases.push(strided_as(dtype, names[3], |shape, heads, len| Layout {
            batch: heads * (len * (shape.head_dim + 2) + 4),
            head: len * (shape.head_dim + 2) + 4,
            row: shape.head_dim + 2,
        }));
    }
    cases
}

/// Values of another dimension than keys, on both sides of every step of the kernels.
pub(super) fn value_dims() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, head_dim, value_dim, dtype) in [
        ("Dv > D", 24, 40, Dtype::F32),
        ("Dv < D, odd", 40, 5, Dtype::F32),
        ("Dv > D, bf16", 6, 66, Dtype::Bf16),
    ] {
        let shape = Shape {
            batch: 2,
            heads: 4,
            kv_heads: 2,
            q_len: 70,
            k_len: 45,
            head_dim,
        };
        let built = builder(shape, ENCODER, BOTH, 3)
            .dtype(dtype)
            .value_dim(value_dim)
            .build();
        cases.push(Case {
            name,
            problem: built.expect("a valid case"),
        });
    }
    cases
}
