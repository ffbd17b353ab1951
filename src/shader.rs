//! The WGSL files, and how they are put together.
//!
//! Module scope has no order in WGSL, so linking is concatenation: the prelude, the entry, its parts, one file a slot.

use crate::Dtype;
use crate::plan::{Algorithm, Family, Lengths, RopeVariant, Variant};

/// A file of the folder of parts.
macro_rules! part {
    ($name:literal) => {
        include_str!(concat!("../shaders/part/", $name, ".wgsl"))
    };
}

/// A file that stands by itself, or that parts are added to.
macro_rules! entry {
    ($name:literal) => {
        include_str!(concat!("../shaders/", $name, ".wgsl"))
    };
}

/// The kernel that builds the bucket-index matrix; `PER_WORD` is left open.
pub(crate) const BUCKET_INDEX: &str = entry!("bucket_index");

/// The kernel that merges attention over parts of the keys.
pub(crate) const MERGE: &str = entry!("merge");

/// The complete WGSL of a variant.
#[must_use]
pub fn link(variant: &Variant) -> String {
    let (bias, mask) = (&variant.bias, &variant.mask);
    let entry = match variant.algorithm {
        Algorithm::Fragments => entry!("attention_forward"),
        Algorithm::Broadcast => entry!("attention_forward_broadcast"),
        Algorithm::Decode => entry!("attention_decode"),
    };
    let offset = match (bias.offset, variant.algorithm) {
        (false, _) => part!("offset_none"),
        (true, Algorithm::Fragments) => part!("offset_strip"),
        (true, Algorithm::Broadcast) => part!("offset_shuffle"),
        (true, Algorithm::Decode) => part!("offset_direct"),
    };
    let either =
        |used: bool, some: &'static str, none: &'static str| if used { some } else { none };
    let (sequences, key_lengths) = match (mask.lengths, mask.lengths.has_keys()) {
        // The starts say both.
        (Lengths::Packed, _) => (part!("sequences_packed"), ""),
        (_, true) => (part!("sequences_apart"), part!("key_lengths")),
        (_, false) => (part!("sequences_apart"), part!("key_lengths_none")),
    };
    let query_lengths = match mask.lengths {
        Lengths::Queries | Lengths::Both => part!("query_lengths"),
        Lengths::Full | Lengths::Keys | Lengths::Packed => part!("query_lengths_none"),
    };
    let [dropout, product] = if variant.dropout {
        [part!("dropout"), part!("product")]
    } else {
        [part!("dropout_none"), ""]
    };
    let prelude = variant.prelude();
    let [storage, packing] = storage(variant.dtype);
    [
        prelude.as_str(),
        entry,
        part!("params"),
        storage,
        packing,
        part!("tensors"),
        part!("mask"),
        part!("infinity"),
        part!("bias"),
        offset,
        either(bias.gate, part!("gate"), part!("gate_none")),
        either(
            bias.index.is_some(),
            part!("index_matrix"),
            part!("index_none"),
        ),
        either(bias.dense, part!("dense"), part!("dense_none")),
        either(bias.fire_width.is_some(), part!("fire"), part!("fire_none")),
        sequences,
        key_lengths,
        query_lengths,
        either(mask.documents, part!("documents"), part!("documents_none")),
        either(mask.bits, part!("bits"), part!("bits_none")),
        either(mask.keys, part!("mask_keys"), part!("mask_none")),
        dropout,
        product,
        either(
            variant.block_size.is_some(),
            part!("keys_paged"),
            part!("keys_contiguous"),
        ),
    ]
    .join("\n")
}

/// The slot `storage`, and what it needs.
const fn storage(dtype: Dtype) -> [&'static str; 2] {
    match dtype {
        Dtype::F32 => [part!("storage_f32"), ""],
        Dtype::F16 | Dtype::Bf16 => [part!("storage_packed"), part!("packing")],
    }
}

/// The complete WGSL that makes the offset table of a family.
pub(crate) fn link_offset_table(family: Family) -> String {
    let formula = match family {
        Family::Buckets => part!("family_buckets"),
        Family::PerOffset => part!("family_per_offset"),
        Family::Alibi => part!("family_alibi"),
        Family::KerpleLog => part!("family_kerple_log"),
        Family::KerplePower => part!("family_kerple_power"),
        Family::Sandwich => return [entry!("offset_table"), part!("family_sandwich")].join("\n"),
    };
    [entry!("offset_table"), part!("table"), formula].join("\n")
}

/// The complete WGSL that makes FIRE's segments.
pub(crate) fn link_fire_table() -> String {
    [entry!("fire_table"), part!("table")].join("\n")
}

/// The complete WGSL that merges the parts of a decoding step, with the constants that it leaves open.
pub(crate) fn link_decode_merge(dtype: Dtype, constants: &str) -> String {
    let [storage, packing] = storage(dtype);
    [
        constants,
        entry!("attention_decode_merge"),
        part!("params"),
        storage,
        packing,
        part!("tensors"),
        part!("keys_contiguous"),
    ]
    .join("\n")
}

/// The complete WGSL that rotates pairs of features.
pub(crate) fn link_rope(variant: RopeVariant) -> String {
    let storage = if variant.in_place {
        part!("rope_in_place")
    } else {
        part!("rope_apart")
    };
    [
        variant.prelude().as_str(),
        entry!("rope"),
        part!("turn"),
        part!("product"),
        part!("packing"),
        storage,
    ]
    .join("\n")
}
