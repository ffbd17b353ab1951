//! Every kernel that may be compiled, as the key of the pipelines.

use super::{Family, RopeVariant, Variant};
use crate::{IndexFormat, shader};

/// A kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kernel {
    /// Fused attention.
    Forward(Variant),
    /// The bias by clamped offset.
    OffsetTable(Family),
    /// The matrix of bucket indices.
    BucketIndex(IndexFormat),
    /// The merge of parts.
    Merge,
    /// The rotation of pairs of features.
    Rope(RopeVariant),
}

impl Kernel {
    pub(crate) fn label(self) -> String {
        match self {
            Self::Forward(variant) => variant.to_string(),
            Self::OffsetTable(family) => format!("offset_table {family:?}"),
            Self::BucketIndex(format) => format!("bucket_index {format:?}"),
            Self::Merge => "merge".into(),
            Self::Rope(variant) => format!("rope {variant:?}"),
        }
    }

    pub(crate) fn text(self) -> String {
        match self {
            Self::Forward(variant) => shader::link(&variant),
            Self::OffsetTable(family) => shader::link_offset_table(family),
            Self::BucketIndex(format) => format!(
                "const PER_WORD = {}u;\n{}",
                format.per_word(),
                shader::BUCKET_INDEX
            ),
            Self::Merge => shader::MERGE.into(),
            Self::Rope(variant) => shader::link_rope(variant),
        }
    }

    /// The storage bindings, and whether each is only read; binding 0 holds the uniforms.
    pub(crate) fn bindings(self) -> Vec<(u32, bool)> {
        match self {
            Self::Forward(variant) => variant.bindings(),
            Self::OffsetTable(family) => family.bindings(),
            Self::BucketIndex(_) => vec![(1, true), (2, false)],
            Self::Merge => vec![(1, true), (2, true), (3, false), (4, false)],
            Self::Rope(variant) => variant.bindings(),
        }
    }
}
