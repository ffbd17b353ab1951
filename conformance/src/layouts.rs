//! The part of the catalogue with rows that are packed, paged, or few.

use super::catalogue::{BOTH, Case, DECODER, ENCODER, builder, case};
use relattn::{Bias, Dtype, Layout, Mask, Packed, Paged, Shape, Tensor, Window};

const PACKED: Mask = Mask {
    packed: Some(Packed { sequences: 5 }),
    ..Mask::NONE
};

fn paged(name: &'static str, shape: Shape, mask: Mask, dtype: Dtype, query_offset: i32) -> Case {
    let blocks = shape.batch * shape.k_len.div_ceil(16) + 3;
    let built = builder(shape, DECODER, mask, query_offset)
        .dtype(dtype)
        .paged(Paged {
            block_size: 16,
            blocks,
        })
        .build();
    Case {
        name,
        problem: built.expect("a valid case"),
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = packed();
    cases.extend(pages());
    cases.extend(few());
    cases
}

fn packed() -> Vec<Case> {
    let own = [1, 4, 2, 170, 210, 20];
    vec![
        case("packed", own, ENCODER, PACKED, 0),
        case("packed, no bias", own, Bias::None, PACKED, 0),
        case(
            "packed, causal, key mask",
            own,
            DECODER,
            Mask {
                causal: true,
                keys: true,
                ..PACKED
            },
            6,
        ),
        case(
            "packed, window, ALiBi",
            own,
            Bias::Alibi,
            Mask {
                window: Some(Window { left: 20, right: 4 }),
                ..PACKED
            },
            0,
        ),
        case(
            "packed, a single sequence",
            own,
            ENCODER,
            Mask {
                packed: Some(Packed { sequences: 1 }),
                ..Mask::NONE
            },
            0,
        ),
        case(
            "packed, documents",
            own,
            ENCODER,
            Mask {
                documents: true,
                ..PACKED
            },
            0,
        ),
        case(
            "packed, sequences of a row each",
            [1, 2, 2, 33, 33, 8],
            ENCODER,
            Mask {
                packed: Some(Packed { sequences: 40 }),
                ..Mask::NONE
            },
            0,
        ),
    ]
}

fn pages() -> Vec<Case> {
    let shape = Shape {
        batch: 2,
        heads: 4,
        kv_heads: 2,
        q_len: 40,
        k_len: 100,
        head_dim: 24,
    };
    let step = Shape { q_len: 3, ..shape };
    let lengths = Mask {
        key_lengths: true,
        ..Mask::CAUSAL
    };
    let interleaved = Layout {
        batch: 16 * 2 * 24,
        head: 24,
        row: 2 * 24,
    };
    let strided = builder(step, ENCODER, Mask::NONE, 90)
        .paged(Paged {
            block_size: 16,
            blocks: 20,
        })
        .layout(Tensor::K, interleaved)
        .and_then(|built| built.layout(Tensor::V, interleaved))
        .expect("tensors with a layout")
        .build();
    vec![
        paged("paged", shape, Mask::CAUSAL, Dtype::F32, 60),
        paged(
            "paged, decoding step, key lengths",
            step,
            lengths,
            Dtype::F32,
            97,
        ),
        paged("paged, bf16", shape, BOTH, Dtype::Bf16, 60),
        Case {
            name: "paged, [blocks, block_size, Hkv, D]",
            problem: strided.expect("a valid case"),
        },
    ]
}

/// Rows around those of a decoding kernel, and keys around those of a part.
fn few() -> Vec<Case> {
    vec![
        case(
            "one row, one key",
            [1, 2, 2, 1, 1, 64],
            ENCODER,
            Mask::NONE,
            0,
        ),
        case(
            "one row, several parts",
            [1, 2, 1, 1, 1700, 16],
            ENCODER,
            Mask::NONE,
            1699,
        ),
        case(
            "two rows, several parts, causal",
            [1, 2, 2, 2, 1100, 12],
            DECODER,
            Mask::CAUSAL,
            1000,
        ),
        case(
            "five rows, padding",
            [2, 2, 1, 5, 700, 20],
            DECODER,
            BOTH,
            640,
        ),
        case(
            "sixteen rows",
            [1, 3, 3, 16, 600, 40],
            ENCODER,
            Mask::NONE,
            300,
        ),
        case(
            "few rows without keys",
            [1, 2, 2, 4, 600, 8],
            DECODER,
            Mask::CAUSAL,
            -2,
        ),
        case(
            "few rows, head_dim 130",
            [1, 2, 2, 3, 90, 130],
            ENCODER,
            BOTH,
            80,
        ),
        case(
            "few rows, head_dim 256",
            [1, 1, 1, 2, 70, 256],
            ENCODER,
            Mask::NONE,
            0,
        ),
        case(
            "few rows, window, ALiBi",
            [1, 2, 2, 7, 1400, 24],
            Bias::Alibi,
            Mask {
                window: Some(Window {
                    left: 600,
                    right: 10,
                }),
                ..Mask::NONE
            },
            900,
        ),
    ]
}
