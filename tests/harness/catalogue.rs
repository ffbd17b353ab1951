//! Named problems.

use relattn::{
    Bias, Direction, Dtype, IndexFormat, Kerple, Layout, Mask, Problem, ProblemBuilder,
    RelativeBuckets, Shape, Tensor, Window,
};

/// A named problem.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) problem: Problem,
}

const KEYS: Mask = Mask {
    causal: false,
    keys: true,
    ..Mask::NONE
};
const BOTH: Mask = Mask {
    causal: true,
    keys: true,
    ..Mask::NONE
};
const ENCODER: Bias = Bias::Relative(RelativeBuckets::t5_encoder());
const DECODER: Bias = Bias::Relative(RelativeBuckets::t5_decoder());
const WAVLM: Bias = Bias::Relative(RelativeBuckets {
    num_buckets: 320,
    max_distance: 800,
    direction: Direction::Bidirectional,
});

/// Every case.
pub(crate) fn catalogue() -> Vec<Case> {
    let indexed = |format| Bias::Indexed { rows: 50, format };
    let mut cases = vec![
        case(
            "one of everything",
            [1, 1, 1, 1, 1, 1],
            Bias::None,
            Mask::NONE,
            0,
        ),
        case("tile edges", [1, 2, 2, 64, 32, 32], ENCODER, Mask::NONE, 0),
        case(
            "one past the tile",
            [2, 3, 3, 65, 33, 64],
            ENCODER,
            Mask::NONE,
            0,
        ),
        case(
            "one before the tile",
            [1, 2, 2, 63, 31, 32],
            ENCODER,
            KEYS,
            0,
        ),
        case(
            "several tiles, grouped heads, padding",
            [1, 4, 2, 130, 257, 40],
            ENCODER,
            KEYS,
            0,
        ),
        case(
            "constant tiles on both sides",
            [1, 2, 2, 320, 320, 16],
            ENCODER,
            Mask::NONE,
            0,
        ),
        case(
            "constant tiles, query offset",
            [1, 2, 2, 150, 400, 16],
            ENCODER,
            Mask::NONE,
            170,
        ),
        case("decoder", [2, 2, 1, 97, 97, 63], DECODER, Mask::CAUSAL, 0),
        case(
            "decoder past saturation",
            [1, 2, 2, 260, 260, 24],
            DECODER,
            Mask::CAUSAL,
            0,
        ),
        case(
            "decoding step",
            [2, 4, 2, 1, 200, 64],
            DECODER,
            Mask::CAUSAL,
            199,
        ),
        case(
            "decoding block, padding",
            [1, 2, 2, 3, 200, 80],
            DECODER,
            BOTH,
            197,
        ),
        case(
            "decoder with bidirectional buckets",
            [1, 2, 2, 70, 70, 32],
            ENCODER,
            Mask::CAUSAL,
            0,
        ),
        case(
            "queries before the keys",
            [1, 1, 1, 40, 300, 128],
            ENCODER,
            Mask::NONE,
            -70,
        ),
        case(
            "rows without keys",
            [1, 2, 2, 70, 33, 17],
            Bias::None,
            Mask::CAUSAL,
            -20,
        ),
        case(
            "every row without keys",
            [1, 1, 1, 5, 9, 4],
            DECODER,
            Mask::CAUSAL,
            -40,
        ),
        case(
            "no bias",
            [1, 2, 2, 100, 100, 64],
            Bias::None,
            Mask::NONE,
            0,
        ),
        case("multi-query", [2, 4, 1, 33, 47, 48], ENCODER, Mask::NONE, 0),
        case(
            "many buckets",
            [1, 2, 2, 150, 900, 8],
            WAVLM,
            Mask::NONE,
            100,
        ),
        case("head_dim 2", [1, 2, 2, 40, 40, 2], ENCODER, Mask::NONE, 0),
        case("head_dim 3", [1, 2, 2, 40, 40, 3], ENCODER, Mask::NONE, 0),
        case("head_dim 96", [1, 2, 2, 40, 70, 96], ENCODER, Mask::NONE, 0),
        case(
            "head_dim 130",
            [1, 1, 1, 33, 40, 130],
            ENCODER,
            Mask::CAUSAL,
            7,
        ),
        case(
            "head_dim 256",
            [1, 2, 2, 33, 70, 256],
            ENCODER,
            Mask::NONE,
            0,
        ),
        case("no keys", [1, 2, 2, 5, 0, 8], ENCODER, Mask::NONE, 0),
        case("no queries", [1, 2, 2, 0, 7, 8], Bias::None, Mask::NONE, 0),
        case("no batch", [0, 2, 2, 3, 7, 8], ENCODER, Mask::NONE, 0),
        case(
            "indices in words",
            [2, 3, 3, 70, 45, 24],
            indexed(IndexFormat::U32),
            Mask::NONE,
            0,
        ),
        case(
            "indices in bytes",
            [2, 3, 3, 70, 45, 24],
            indexed(IndexFormat::U8),
            BOTH,
            3,
        ),
    ];
    cases.extend(families());
    cases.extend(masks());
    cases.extend(types());
    cases.push(strided("[B, N, H, D]", |shape, heads, _| Layout {
        batch: shape.q_len * heads * shape.head_dim,
        head: shape.head_dim,
        row: heads * shape.head_dim,
    }));
    cases.push(strided("padded rows", |shape, heads, len| Layout {
        batch: heads * (len * (shape.head_dim + 3) + 5),
        head: len * (shape.head_dim + 3) + 5,
        row: shape.head_dim + 3,
    }));
    cases
}

/// Every other bias, within and past the offsets of its own, in the kernels' several ways.
fn families() -> Vec<Case> {
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
fn masks() -> Vec<Case> {
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
fn types() -> Vec<Case> {
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

fn builder(shape: Shape, bias: Bias, mask: Mask, query_offset: i32) -> ProblemBuilder {
    Problem::builder(shape)
        .bias(bias)
        .mask(mask)
        .query_offset(query_offset)
}

fn case(
    name: &'static str,
    [batch, heads, kv_heads, q_len, k_len, head_dim]: [u32; 6],
    bias: Bias,
    mask: Mask,
    query_offset: i32,
) -> Case {
    let shape = Shape {
        batch,
        heads,
        kv_heads,
        q_len,
        k_len,
        head_dim,
    };
    let problem = builder(shape, bias, mask, query_offset).build();
    Case {
        name,
        problem: problem.expect("a valid case"),
    }
}

/// A problem whose four tensors all have this layout, from the shape, the number of heads and the length.
fn strided(name: &'static str, layout: impl Fn(&Shape, u32, u32) -> Layout) -> Case {
    strided_as(Dtype::F32, name, layout)
}

fn strided_as(
    dtype: Dtype,
    name: &'static str,
    layout: impl Fn(&Shape, u32, u32) -> Layout,
) -> Case {
    let shape = Shape {
        batch: 2,
        heads: 4,
        kv_heads: 2,
        q_len: 70,
        k_len: 70,
        head_dim: 20,
    };
    let mut builder = builder(shape, DECODER, BOTH, 0).dtype(dtype);
    for (tensor, heads) in [
        (Tensor::Q, 4),
        (Tensor::K, 2),
        (Tensor::V, 2),
        (Tensor::Out, 4),
    ] {
        builder = builder
            .layout(tensor, layout(&shape, heads, 70))
            .expect("a tensor with a layout");
    }
    Case {
        name,
        problem: builder.build().expect("a valid case"),
    }
}
