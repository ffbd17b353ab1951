//! The part of the catalogue with dropout, and errors to plant in what it adds to the kernels.

use super::catalogue::{BOTH, Case, DECODER, ENCODER, KEYS, builder};
use super::planted::Planted;
use relattn::{Bias, Dropout, Dtype, Mask, Packed, Paged, ProblemBuilder, Shape, Window};

/// Both words of it differ from 0 and from one another.
const SEED: u64 = 0x0123_4567_89ab_cdef;

fn dropped(
    name: &'static str,
    [batch, heads, kv_heads, q_len, k_len, head_dim]: [u32; 6],
    (bias, mask, query_offset): (Bias, Mask, i32),
    probability: f32,
    change: impl FnOnce(ProblemBuilder) -> ProblemBuilder,
) -> Case {
    let shape = Shape {
        batch,
        heads,
        kv_heads,
        q_len,
        k_len,
        head_dim,
    };
    let built = builder(shape, bias, mask, query_offset).dropout(Dropout {
        probability,
        seed: SEED,
    });
    Case {
        name,
        problem: change(built).build().expect("a valid case"),
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = many();
    cases.extend(few());
    cases
}

/// Key tiles that begin at eights and, of packed sequences, anywhere; one pass over the values and several.
fn many() -> Vec<Case> {
    let packed = Mask {
        packed: Some(Packed { sequences: 5 }),
        ..Mask::NONE
    };
    let window = Mask {
        window: Some(Window {
            left: 40,
            right: 30,
        }),
        ..KEYS
    };
    vec![
        dropped(
            "dropout",
            [2, 3, 3, 70, 45, 24],
            (Bias::None, Mask::NONE, 0),
            0.1,
            |built| built,
        ),
        dropped(
            "dropout, T5, causal, grouped heads",
            [2, 4, 2, 131, 131, 40],
            (DECODER, Mask::CAUSAL, 0),
            0.3,
            |built| built,
        ),
        dropped(
            "dropout, packed",
            [1, 4, 2, 170, 210, 20],
            (ENCODER, packed, 0),
            0.25,
            |built| built,
        ),
        dropped(
            "dropout, window, key mask, f16",
            [1, 2, 2, 90, 203, 64],
            (ENCODER, window, 50),
            0.5,
            |built| built.dtype(Dtype::F16),
        ),
        dropped(
            "dropout of nearly all, head_dim 130, FIRE",
            [1, 2, 1, 40, 77, 130],
            (Bias::Fire { width: 8 }, Mask::NONE, 40),
            0.9,
            |built| built,
        ),
        dropped(
            "dropout of nothing",
            [1, 2, 2, 33, 40, 16],
            (Bias::None, Mask::NONE, 0),
            0.0,
            |built| built,
        ),
    ]
}

fn few() -> Vec<Case> {
    let lengths = Mask {
        key_lengths: true,
        ..Mask::CAUSAL
    };
    vec![
        dropped(
            "dropout, one row, several parts",
            [2, 2, 1, 1, 1700, 16],
            (ENCODER, Mask::NONE, 1699),
            0.2,
            |built| built,
        ),
        dropped(
            "dropout, five rows, padding",
            [2, 2, 1, 5, 203, 20],
            (DECODER, BOTH, 190),
            0.5,
            |built| built,
        ),
        dropped(
            "dropout, decoding step, paged, bf16",
            [2, 4, 2, 3, 100, 24],
            (Bias::None, lengths, 97),
            0.1,
            |built| {
                built.dtype(Dtype::Bf16).paged(Paged {
                    block_size: 16,
                    blocks: 20,
                })
            },
        ),
    ]
}

/// Errors in the numbers, which every kernel asks for.
const NUMBERS: [(&str, &str, &str); 7] = [
    (
        "dropout of head 0",
        "vec4(octet, i, place.head, place.batch)",
        "vec4(octet, i, 0u, place.batch)",
    ),
    (
        "dropout of sequence 0",
        "vec4(octet, i, place.head, place.batch)",
        "vec4(octet, i, place.head, 0u)",
    ),
    (
        "dropout with i and j swapped",
        "vec4(octet, i, place.head, place.batch)",
        "vec4(i, octet, place.head, place.batch)",
    ),
    (
        "words of the seed swapped",
        "var key = params.dropout_key;",
        "var key = params.dropout_key.yx;",
    ),
    ("nine rounds", "round < 10u", "round < 9u"),
    (
        "halves of a word of dropout swapped",
        "keeping(words & vec4(0xffffu))",
        "keeping(words >> vec4(16u))",
    ),
    (
        "kept weights do not make up for the others",
        "return params.keep_scale;",
        "return 1.0;",
    ),
];

/// [`NUMBERS`], of which a case must notice each.
fn numbers(case: &'static str) -> impl Iterator<Item = Planted> {
    NUMBERS
        .into_iter()
        .map(move |(name, from, to)| (name, from, to, case))
}

/// In the kernels of many rows.
pub fn planted_shared() -> Vec<Planted> {
    let own = [(
        "keys between eights taken for eights",
        "select(1u, 2u, shift != 0u)",
        "select(1u, 1u, shift != 0u)",
        "dropout, packed",
    )];
    numbers("dropout, T5, causal, grouped heads")
        .chain(own)
        .collect()
}

/// Errors in the kernel of fragments.
pub const FRAGMENTS: [Planted; 4] = [
    (
        "the sum of kept weights alone",
        "p = kept_weights(p, row, half);",
        "sum[r] -= dot(p - kept_weights(p, row, half), vec4(1.0)); p = kept_weights(p, row, half);",
        "dropout",
    ),
    (
        "the second half of a tile keeps what the first keeps",
        "row * COLUMNS + 4u * half;",
        "row * COLUMNS;",
        "dropout",
    ),
    (
        "every octet is the first",
        "place.k_first + 8u * column)",
        "place.k_first)",
        "dropout",
    ),
    (
        "dropout of the first query tile for all",
        "kept_bits(place.q_first + row, place.k_first + 8u",
        "kept_bits(row, place.k_first + 8u",
        "dropout",
    ),
];

/// Errors in the kernel by subgroup.
pub const BROADCAST: [Planted; 3] = [
    (
        "the sum of kept weights alone",
        "score[r][e] = select(0.0, score[r][e], ((kept_keys[r] >> e) & 1u) != 0u);",
        "sum[r] -= select(score[r][e], 0.0, ((kept_keys[r] >> e) & 1u) != 0u); score[r][e] = select(0.0, score[r][e], ((kept_keys[r] >> e) & 1u) != 0u);",
        "dropout",
    ),
    (
        "the first key's dropout for all",
        "select(0.0, score[r][e], ((kept_keys[r] >> e) & 1u) != 0u)",
        "select(0.0, score[r][e], (kept_keys[r] & 1u) != 0u)",
        "dropout",
    ),
    (
        "dropout of the first key tile for all",
        "kept_bits(place.q_first + own_row(r), place.k_first);",
        "kept_bits(place.q_first + own_row(r), 0u);",
        "dropout",
    ),
];

/// In the kernel of few rows.
pub fn planted_decode() -> Vec<Planted> {
    let own = [
        (
            "the sum of kept weights alone",
            "seen &= rows_that_keep(j);",
            "let all = seen; seen &= rows_that_keep(j); for (var r = 0u; r < ROWS; r++) { sum[r] -= select(0.0, score[r], ((all & ~seen) >> r & 1u) != 0u); }",
            "dropout, five rows, padding",
        ),
        (
            "the first row's dropout for all",
            "kept(place.q_first + r, j)",
            "kept(place.q_first, j)",
            "dropout, five rows, padding",
        ),
        (
            "the first key's dropout for eight",
            ">> (at % 8u)) & 1u",
            ") & 1u",
            "dropout, one row, several parts",
        ),
    ];
    // Of several rows, sequences and heads.
    numbers("dropout, five rows, padding").chain(own).collect()
}
