//! Every kernel that `choose` may reach, for tests that read their texts.

use super::{
    Algorithm, BackwardVariant, BiasSlots, Family, GradientFamily, GradientSlots, IndexSlot,
    Kernel, Lengths, MaskSlots, RopeVariant, Side, Variant,
};
use crate::{Dtype, IndexFormat, Pairing};

/// Every kind of bias alone, and some sums, up to every kind at once.
fn bias_slots() -> Vec<BiasSlots> {
    let none = BiasSlots::default();
    let offset = BiasSlots {
        offset: true,
        ..none
    };
    let index = |format, matrices| BiasSlots {
        index: Some(IndexSlot {
            rows: 7,
            matrices,
            format,
        }),
        ..none
    };
    let all = BiasSlots {
        offset: true,
        gate: true,
        dense: true,
        fire_width: Some(32),
        ..index(IndexFormat::U16, 2)
    };
    vec![
        none,
        offset,
        BiasSlots {
            gate: true,
            ..offset
        },
        index(IndexFormat::U32, 1),
        index(IndexFormat::U16, 1),
        index(IndexFormat::U8, 3),
        BiasSlots {
            dense: true,
            ..none
        },
        BiasSlots {
            dense: true,
            ..offset
        },
        BiasSlots {
            fire_width: Some(5),
            ..none
        },
        all,
    ]
}

/// A combination of masks for each number below 16.
fn mask_slots(mask: u32) -> MaskSlots {
    let bit = |n: u32| mask >> n & 1 != 0;
    MaskSlots {
        causal: bit(0),
        window: bit(3),
        keys: bit(1),
        lengths: match mask % 5 {
            0 => Lengths::Full,
            1 => Lengths::Keys,
            2 => Lengths::Queries,
            3 => Lengths::Both,
            _ => Lengths::Packed,
        },
        documents: bit(2) && bit(3),
        bits: bit(0) != bit(3),
    }
}

/// At several head dimensions, with biases and masks alone and together.
pub(super) fn kernels() -> Vec<Kernel> {
    let formats = [IndexFormat::U32, IndexFormat::U16, IndexFormat::U8];
    let mut kernels = [
        Family::Buckets,
        Family::PerOffset,
        Family::Alibi,
        Family::KerpleLog,
        Family::KerplePower,
        Family::Sandwich,
    ]
    .map(Kernel::OffsetTable)
    .to_vec();
    kernels.extend(formats.map(Kernel::BucketIndex));
    kernels.extend([Kernel::Merge, Kernel::FireTable { width: 32 }]);
    kernels.extend(rotations().map(Kernel::Rope));
    kernels.extend([
        Kernel::PartialSums,
        Kernel::IndexGradient,
        Kernel::FireGradient { width: 32 },
        Kernel::ClearDbias,
        Kernel::CopyWords,
    ]);
    kernels.extend(
        [
            GradientFamily::Rows,
            GradientFamily::Alibi,
            GradientFamily::KerpleLog,
            GradientFamily::KerplePower,
        ]
        .map(Kernel::OffsetGradient),
    );
    for (dtype, value_dim) in [(Dtype::F32, 5), (Dtype::F16, 64), (Dtype::Bf16, 6)] {
        kernels.push(Kernel::DecodeMerge { dtype, value_dim });
        kernels.push(Kernel::BackwardStatistics { dtype, value_dim });
    }
    for head_dim in [1, 3, 32, 33, 64, 65, 96, 128, 130, 255, 256] {
        for bias in bias_slots() {
            // Every combination of masks at one dimension, none and all at the others.
            for mask in (0..16).filter(|mask| head_dim == 96 || [0, 15].contains(mask)) {
                for (algorithm, rows) in algorithms(head_dim.max(value_dim(head_dim, mask))) {
                    let variant = Variant {
                        algorithm,
                        dtype: dtype(head_dim, mask),
                        head_dim,
                        value_dim: value_dim(head_dim, mask),
                        rows,
                        vec4: vec4(algorithm, head_dim, mask),
                        lanes: 0,
                        bias,
                        mask: mask_slots(mask),
                        dropout: mask & 4 != 0,
                        block_size: (mask % 3 == 1).then_some(16),
                    };
                    kernels.push(Kernel::Forward(variant));
                    kernels.extend(backward(variant));
                }
                for variant in cooperative(head_dim, mask, bias) {
                    kernels.push(Kernel::Forward(variant));
                    kernels.extend(backward(variant));
                }
            }
        }
    }
    kernels
}

/// Of what can be read four features at a time half is.
fn vec4(algorithm: Algorithm, head_dim: u32, mask: u32) -> bool {
    let rows = [head_dim, value_dim(head_dim, mask)];
    algorithm.reads_vec4() && rows.iter().all(|row| row.is_multiple_of(4)) && mask.is_multiple_of(2)
}

/// Products of matrices, with subgroups of each size in turn.
fn cooperative(head_dim: u32, mask: u32, bias: BiasSlots) -> Vec<Variant> {
    let lanes = [8, 16, 32, 64, 128][(head_dim / 32 + mask) as usize % 5];
    let sizes = [8, 16].into_iter();
    let fits = sizes.filter(|&rows| rows <= lanes && head_dim.is_multiple_of(2));
    let variant = |rows| Variant {
        algorithm: Algorithm::Cooperative,
        dtype: Dtype::F16,
        head_dim,
        value_dim: value_dim(head_dim, mask),
        rows,
        vec4: vec4(Algorithm::Cooperative, head_dim, mask),
        lanes,
        bias,
        mask: mask_slots(mask),
        dropout: mask & 4 != 0,
        block_size: (mask % 3 == 1).then_some(16),
    };
    fits.map(variant).collect()
}

/// The backward kernels with the scores of a forward kernel.
fn backward(forward: Variant) -> Vec<Kernel> {
    let rows = match (forward.algorithm, forward.head_dim.max(forward.value_dim)) {
        (Algorithm::Decode, _) | (Algorithm::Cooperative, 129..) => return Vec::new(),
        (Algorithm::Broadcast | Algorithm::Cooperative, _) => forward.rows,
        (Algorithm::Fragments, 0..=128) => 4,
        (Algorithm::Fragments, _) => 2,
    };
    let scores = Variant {
        rows,
        block_size: None,
        ..forward
    };
    let none = GradientSlots::default();
    let bias = forward.bias;
    let dense = GradientSlots {
        dense: bias.dense,
        ..none
    };
    let all = GradientSlots {
        offset: bias.offset,
        gate: bias.gate,
        index: bias.index.is_some(),
        fire: bias.fire_width.is_some(),
        ..dense
    };
    let offset = GradientSlots {
        offset: bias.offset,
        ..none
    };
    let sides = match forward.algorithm {
        Algorithm::Cooperative => vec![
            (Side::Queries, none),
            (Side::Queries, offset),
            (Side::Keys, none),
        ],
        _ => vec![
            (Side::Queries, none),
            (Side::Queries, all),
            (Side::Keys, none),
            (Side::Keys, dense),
        ],
    };
    let kernel = |(side, gradients)| {
        Kernel::Backward(BackwardVariant {
            side,
            scores,
            gradients,
        })
    };
    let mut kernels: Vec<Kernel> = sides.into_iter().map(kernel).collect();
    kernels.dedup();
    kernels
}

/// Every rotation.
pub(super) fn rotations() -> impl Iterator<Item = RopeVariant> {
    let dtypes = [Dtype::F32, Dtype::F16, Dtype::Bf16];
    let pairings = [Pairing::Interleaved, Pairing::HalfSplit];
    dtypes.into_iter().flat_map(move |dtype| {
        pairings.into_iter().flat_map(move |pairing| {
            [false, true].map(|in_place| RopeVariant {
                dtype,
                pairing,
                in_place,
            })
        })
    })
}

/// The same, or half or twice as many where some masks are in use.
fn value_dim(head_dim: u32, mask: u32) -> u32 {
    match mask % 3 {
        1 if head_dim >= 4 => head_dim / 4 * 2,
        2 if head_dim <= 128 => 2 * head_dim,
        _ => head_dim,
    }
}

/// f32, and both types of 16 bits in turn where the dimension is even.
fn dtype(head_dim: u32, mask: u32) -> Dtype {
    match (head_dim % 2, (head_dim / 32 + mask) % 3) {
        (1, _) | (_, 0) => Dtype::F32,
        (_, 1) => Dtype::F16,
        _ => Dtype::Bf16,
    }
}

fn algorithms(head_dim: u32) -> [(Algorithm, u32); 3] {
    use Algorithm::{Broadcast, Decode, Fragments};
    match head_dim {
        0..=64 => [(Fragments, 8), (Broadcast, 4), (Decode, 1 + head_dim % 4)],
        65..=128 => [(Fragments, 4), (Broadcast, 2), (Decode, 2)],
        _ => [(Fragments, 4), (Broadcast, 1), (Decode, 1)],
    }
}
