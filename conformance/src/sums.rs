//! The part of the catalogue with biases that depend on more than the offset, gates, and sums.

use super::catalogue::{BOTH, Case, DECODER, ENCODER, KEYS, builder, case};
use relattn::{Bias, Dtype, IndexFormat, Kerple, Layout, Mask, Packed, Shape};

const FIRE: Bias = Bias::Fire { width: 8 };

fn sum(name: &'static str, shape: Shape, biases: &[Bias], mask: Mask, query_offset: i32) -> Case {
    let built = builder(shape, Bias::None, mask, query_offset);
    let built = biases
        .iter()
        .fold(built, |built, &bias| built.add_bias(bias));
    Case {
        name,
        problem: built.build().expect("a valid case"),
    }
}

fn gated(name: &'static str, shape: Shape, biases: &[Bias], mask: Mask, dtype: Dtype) -> Case {
    let built = builder(shape, Bias::None, mask, 5).gated(true).dtype(dtype);
    let built = biases
        .iter()
        .fold(built, |built, &bias| built.add_bias(bias));
    Case {
        name,
        problem: built.build().expect("a valid case"),
    }
}

pub(super) fn cases() -> Vec<Case> {
    let shape = Shape {
        batch: 2,
        heads: 3,
        kv_heads: 3,
        q_len: 70,
        k_len: 45,
        head_dim: 24,
    };
    let long = Shape {
        batch: 1,
        q_len: 150,
        k_len: 330,
        ..shape
    };
    let dense = Bias::Dense(Layout::dense_bias(&shape, false, true).expect("small"));
    let index = |rows, matrices, each_sequence, format| Bias::Indexed {
        rows,
        matrices,
        each_sequence,
        format,
    };
    let three = index(20, 3, true, IndexFormat::U8);
    let packed = Mask {
        packed: Some(Packed { sequences: 4 }),
        ..Mask::CAUSAL
    };
    let one = Shape { batch: 1, ..shape };
    vec![
        case("FIRE", [1, 3, 3, 150, 330, 24], FIRE, Mask::NONE, 0),
        case(
            "FIRE, causal, past L",
            [1, 3, 1, 200, 260, 24],
            FIRE,
            Mask::CAUSAL,
            60,
        ),
        case(
            "FIRE, wide, padding",
            [2, 3, 3, 70, 45, 24],
            Bias::Fire { width: 32 },
            KEYS,
            -9,
        ),
        case(
            "FIRE, a single unit",
            [2, 3, 3, 70, 45, 24],
            Bias::Fire { width: 1 },
            BOTH,
            3,
        ),
        case(
            "FIRE, decoding step",
            [2, 4, 2, 1, 200, 64],
            FIRE,
            Mask::CAUSAL,
            199,
        ),
        sum("FIRE of packed sequences", one, &[FIRE], packed, 0),
        sum("T5 and dense", shape, &[ENCODER, dense], Mask::NONE, 0),
        sum("dense and T5, causal", shape, &[dense, DECODER], BOTH, 2),
        sum(
            "T5 and ALiBi",
            long,
            &[ENCODER, Bias::Alibi],
            Mask::NONE,
            100,
        ),
        sum(
            "per offset, KERPLE and Sandwich",
            long,
            &[
                Bias::PerOffset { max_offset: 9 },
                Bias::Kerple(Kerple::Power),
                Bias::Sandwich { dimensions: 6 },
            ],
            Mask::NONE,
            40,
        ),
        sum(
            "three tables by three indices",
            shape,
            &[three],
            Mask::NONE,
            0,
        ),
        sum(
            "two tables by shared indices in halves",
            shape,
            &[index(20, 2, false, IndexFormat::U16)],
            KEYS,
            0,
        ),
        sum(
            "T5 and two tables by indices",
            shape,
            &[ENCODER, index(9, 2, true, IndexFormat::U32)],
            Mask::NONE,
            4,
        ),
        sum("index and dense", shape, &[three, dense], Mask::CAUSAL, 0),
        sum("FIRE and T5", long, &[FIRE, ENCODER], Mask::CAUSAL, 180),
        gated("gated", long, &[ENCODER], Mask::NONE, Dtype::F32),
        gated("gated, causal, f16", shape, &[DECODER], BOTH, Dtype::F16),
        gated(
            "gated, with a dense bias that is not",
            shape,
            &[ENCODER, dense],
            Mask::NONE,
            Dtype::F32,
        ),
    ]
}
