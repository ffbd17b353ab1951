//! Named problems.

use super::{dropped, layouts, sums, variety};
use relattn::{
    Bias, Direction, Dtype, IndexFormat, Layout, Mask, Problem, ProblemBuilder, RelativeBuckets,
    Shape, Tensor,
};

/// A named problem.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the case is about; no two have the same.
    pub name: &'static str,
    /// What is computed.
    pub problem: Problem,
}

pub(super) const KEYS: Mask = Mask {
    causal: false,
    keys: true,
    ..Mask::NONE
};
pub(super) const BOTH: Mask = Mask {
    causal: true,
    keys: true,
    ..Mask::NONE
};
pub(super) const ENCODER: Bias = Bias::Relative(RelativeBuckets::t5_encoder());
pub(super) const DECODER: Bias = Bias::Relative(RelativeBuckets::t5_decoder());
const WAVLM: Bias = Bias::Relative(RelativeBuckets {
    num_buckets: 320,
    max_distance: 800,
    direction: Direction::Bidirectional,
});

/// Every case.
pub fn catalogue() -> Vec<Case> {
    let indexed = |each_sequence, format| Bias::Indexed {
        rows: 50,
        matrices: 1,
        each_sequence,
        format,
    };
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
        case(
            "no keys, many rows",
            [1, 2, 2, 70, 0, 16],
            ENCODER,
            Mask::NONE,
            0,
        ),
        case("no queries", [1, 2, 2, 0, 7, 8], Bias::None, Mask::NONE, 0),
        case("no batch", [0, 2, 2, 3, 7, 8], ENCODER, Mask::NONE, 0),
        case(
            "indices in words",
            [2, 3, 3, 70, 45, 24],
            indexed(false, IndexFormat::U32),
            Mask::NONE,
            0,
        ),
        case(
            "indices in halves, of each sequence",
            [2, 3, 3, 70, 45, 24],
            indexed(true, IndexFormat::U16),
            Mask::NONE,
            0,
        ),
        case(
            "indices in bytes, of each sequence",
            [3, 2, 1, 33, 21, 16],
            indexed(true, IndexFormat::U8),
            Mask::NONE,
            0,
        ),
        case(
            "indices in bytes",
            [2, 3, 3, 70, 45, 24],
            indexed(false, IndexFormat::U8),
            BOTH,
            3,
        ),
    ];
    cases.extend(variety::families());
    cases.extend(variety::masks());
    cases.extend(variety::types());
    cases.extend(variety::value_dims());
    cases.extend(sums::cases());
    cases.extend(layouts::cases());
    cases.extend(dropped::cases());
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

pub(super) fn builder(shape: Shape, bias: Bias, mask: Mask, query_offset: i32) -> ProblemBuilder {
    Problem::builder(shape)
        .bias(bias)
        .mask(mask)
        .query_offset(query_offset)
}

pub(super) fn case(
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

pub(super) fn strided_as(
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
