//! Every kernel that may be compiled, as the key of the pipelines.

use super::backward::sums::{
    GradientFamily, copy_bindings, fire_bindings, partial_bindings, row_bindings,
};
use super::backward::{BackwardVariant, clear_bindings, statistics_bindings};
use super::{Algorithm, Family, RopeVariant, Variant, decode, fire_table};
use crate::{Dtype, IndexFormat, shader};

/// A kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kernel {
    /// Fused attention.
    Forward(Variant),
    /// The bias by clamped offset.
    OffsetTable(Family),
    /// The matrix of bucket indices.
    BucketIndex(IndexFormat),
    /// FIRE's segments.
    FireTable { width: u32 },
    /// The merge of parts.
    Merge,
    /// The merge of the parts of a decoding step.
    DecodeMerge { dtype: Dtype, value_dim: u32 },
    /// The rotation of pairs of features.
    Rope(RopeVariant),
    /// What a backward pass needs of each query.
    BackwardStatistics { dtype: Dtype, value_dim: u32 },
    /// The gradients of one side.
    Backward(BackwardVariant),
    /// The sums over what workgroups left behind.
    PartialSums,
    /// The gradient of a bias by offset.
    OffsetGradient(GradientFamily),
    /// The gradient of an index table.
    IndexGradient,
    /// The gradients of FIRE's parameters.
    FireGradient { width: u32 },
    /// Zeros where the gradient of a dense bias is added up.
    ClearDbias,
    /// A copy.
    CopyWords,
}

impl Kernel {
    pub(crate) fn label(self) -> String {
        match self {
            Self::Forward(variant) => variant.to_string(),
            Self::OffsetTable(family) => format!("offset_table {family:?}"),
            Self::BucketIndex(format) => format!("bucket_index {format:?}"),
            Self::FireTable { width } => format!("fire_table {width} units"),
            Self::Merge => "merge".into(),
            Self::DecodeMerge { dtype, value_dim } => {
                format!("decode_merge {dtype:?} d{value_dim}")
            }
            Self::Rope(variant) => format!("rope {variant:?}"),
            Self::BackwardStatistics { dtype, value_dim } => {
                format!("backward_statistics {dtype:?} d{value_dim}")
            }
            Self::Backward(variant) => variant.to_string(),
            Self::PartialSums => "partial_sums".into(),
            Self::OffsetGradient(family) => format!("offset_gradient {family:?}"),
            Self::IndexGradient => "index_gradient".into(),
            Self::FireGradient { width } => format!("fire_gradient {width} units"),
            Self::ClearDbias => "clear_dbias".into(),
            Self::CopyWords => "copy_words".into(),
        }
    }

    pub(crate) fn text(self) -> String {
        match self {
            Self::Forward(variant) => shader::link(&variant),
            Self::OffsetTable(family) => shader::link_offset_table(family),
            Self::BucketIndex(format) => shader::link_bucket_index(format.per_word()),
            Self::FireTable { width } => shader::link_fire_table(width),
            Self::Merge => shader::MERGE.into(),
            Self::DecodeMerge { dtype, value_dim } => shader::link_decode_merge(dtype, value_dim),
            Self::Rope(variant) => shader::link_rope(variant),
            Self::BackwardStatistics { dtype, value_dim } => {
                shader::link_backward_statistics(dtype, value_dim)
            }
            Self::Backward(variant) => shader::link_backward(&variant),
            Self::PartialSums => shader::link_partial_sums(),
            Self::OffsetGradient(family) => shader::link_offset_gradient(family),
            Self::IndexGradient => shader::link_index_gradient(),
            Self::FireGradient { width } => shader::link_fire_gradient(width),
            Self::ClearDbias => shader::link_clear_dbias(),
            Self::CopyWords => shader::COPY_WORDS.into(),
        }
    }

    /// Whether its text has subgroup operations.
    pub(crate) fn uses_subgroups(self) -> bool {
        let scores = match self {
            Self::Forward(variant) => variant,
            Self::Backward(variant) => variant.scores,
            _ => return false,
        };
        scores.algorithm == Algorithm::Broadcast
    }

    /// The bindings of uniforms.
    pub(crate) const fn uniforms(self) -> &'static [u32] {
        match self {
            Self::Backward(_) | Self::BackwardStatistics { .. } | Self::ClearDbias => &[0, 21],
            _ => &[0],
        }
    }

    /// The storage bindings, and whether each is only read.
    pub(crate) fn bindings(self) -> Vec<(u32, bool)> {
        match self {
            Self::Forward(variant) => variant.bindings(),
            Self::OffsetTable(family) => family.bindings(),
            Self::BucketIndex(_) => vec![(1, true), (2, false)],
            Self::FireTable { .. } => fire_table::bindings(),
            Self::Merge => vec![(1, true), (2, true), (3, false), (4, false)],
            Self::DecodeMerge { .. } => decode::merge_bindings(),
            Self::Rope(variant) => variant.bindings(),
            Self::BackwardStatistics { .. } => statistics_bindings(),
            Self::Backward(variant) => variant.bindings(),
            Self::PartialSums => partial_bindings(),
            Self::OffsetGradient(family) => family.bindings(),
            Self::IndexGradient => row_bindings(false),
            Self::FireGradient { .. } => fire_bindings(),
            Self::ClearDbias => clear_bindings(),
            Self::CopyWords => copy_bindings(),
        }
    }
}
