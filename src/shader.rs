//! The WGSL files, and how they are put together.
//!
//! Module scope has no order in WGSL, so linking is concatenation: the prelude, the entry, its parts, one file a slot.

use crate::Dtype;
use crate::plan::{Algorithm, BiasSlot, Family, RopeVariant, Variant};

/// The kernel that makes the bias by clamped offset; its slot `family` is left open.
const OFFSET_TABLE: &str = include_str!("../shaders/offset_table.wgsl");
const FAMILY_BUCKETS: &str = include_str!("../shaders/part/family_buckets.wgsl");
const FAMILY_PER_OFFSET: &str = include_str!("../shaders/part/family_per_offset.wgsl");
const FAMILY_ALIBI: &str = include_str!("../shaders/part/family_alibi.wgsl");
const FAMILY_KERPLE_LOG: &str = include_str!("../shaders/part/family_kerple_log.wgsl");
const FAMILY_KERPLE_POWER: &str = include_str!("../shaders/part/family_kerple_power.wgsl");
const FAMILY_SANDWICH: &str = include_str!("../shaders/part/family_sandwich.wgsl");

/// The kernel that builds the bucket-index matrix; `PER_WORD` is left open.
pub(crate) const BUCKET_INDEX: &str = include_str!("../shaders/bucket_index.wgsl");

/// The kernel that merges attention over parts of the keys.
pub(crate) const MERGE: &str = include_str!("../shaders/merge.wgsl");

const ROPE: &str = include_str!("../shaders/rope.wgsl");
const ROPE_APART: &str = include_str!("../shaders/part/rope_apart.wgsl");
const ROPE_IN_PLACE: &str = include_str!("../shaders/part/rope_in_place.wgsl");
const TURN: &str = include_str!("../shaders/part/turn.wgsl");

const FRAGMENTS: &str = include_str!("../shaders/attention_forward.wgsl");
const BROADCAST: &str = include_str!("../shaders/attention_forward_broadcast.wgsl");
const TENSORS: &str = include_str!("../shaders/part/tensors.wgsl");
const INFINITY: &str = include_str!("../shaders/part/infinity.wgsl");
const MASK: &str = include_str!("../shaders/part/mask.wgsl");
const PARAMS: &str = include_str!("../shaders/part/params.wgsl");
const MASK_KEYS: &str = include_str!("../shaders/part/mask_keys.wgsl");
const MASK_NONE: &str = include_str!("../shaders/part/mask_none.wgsl");
const BIAS_NONE: &str = include_str!("../shaders/part/bias_none.wgsl");
const BIAS_INDEX: &str = include_str!("../shaders/part/bias_index.wgsl");
const STORAGE_F32: &str = include_str!("../shaders/part/storage_f32.wgsl");
const STORAGE_PACKED: &str = include_str!("../shaders/part/storage_packed.wgsl");
const PACKING: &str = include_str!("../shaders/part/packing.wgsl");
const BIAS_DENSE: &str = include_str!("../shaders/part/bias_dense.wgsl");
const LENGTHS_FULL: &str = include_str!("../shaders/part/lengths_full.wgsl");
const LENGTHS_QUERIES: &str = include_str!("../shaders/part/lengths_queries.wgsl");
const LENGTHS_BOTH: &str = include_str!("../shaders/part/lengths_both.wgsl");
const DOCUMENTS_NONE: &str = include_str!("../shaders/part/documents_none.wgsl");
const DOCUMENTS: &str = include_str!("../shaders/part/documents.wgsl");
const BITS_NONE: &str = include_str!("../shaders/part/bits_none.wgsl");
const BITS: &str = include_str!("../shaders/part/bits.wgsl");
const LENGTHS_KEYS: &str = include_str!("../shaders/part/lengths_keys.wgsl");
const BIAS_OFFSET: &str = include_str!("../shaders/part/bias_offset.wgsl");
const BIAS_STRIP: &str = include_str!("../shaders/part/bias_strip.wgsl");

/// The complete WGSL of a variant.
#[must_use]
pub fn link(variant: &Variant) -> String {
    let (entry, offset) = match variant.algorithm {
        Algorithm::Fragments => (FRAGMENTS, BIAS_STRIP),
        Algorithm::Broadcast => (BROADCAST, BIAS_OFFSET),
    };
    let bias = match variant.bias {
        BiasSlot::None => BIAS_NONE,
        BiasSlot::Offset => offset,
        BiasSlot::Index { .. } => BIAS_INDEX,
        BiasSlot::Dense => BIAS_DENSE,
    };
    let keys = if variant.key_mask {
        MASK_KEYS
    } else {
        MASK_NONE
    };
    let lengths = match (variant.key_lengths, variant.query_lengths) {
        (false, false) => LENGTHS_FULL,
        (true, false) => LENGTHS_KEYS,
        (false, true) => LENGTHS_QUERIES,
        (true, true) => LENGTHS_BOTH,
    };
    let documents = if variant.documents {
        DOCUMENTS
    } else {
        DOCUMENTS_NONE
    };
    let bits = if variant.bits { BITS } else { BITS_NONE };
    let (storage, packing) = match variant.dtype {
        Dtype::F32 => (STORAGE_F32, ""),
        Dtype::F16 | Dtype::Bf16 => (STORAGE_PACKED, PACKING),
    };
    let prelude = variant.prelude();
    [
        &prelude, entry, PARAMS, storage, packing, TENSORS, MASK, INFINITY, lengths, documents,
        bits, keys, bias,
    ]
    .join("\n")
}

/// The complete WGSL that makes the offset table of a family.
pub(crate) fn link_offset_table(family: Family) -> String {
    let part = match family {
        Family::Buckets => FAMILY_BUCKETS,
        Family::PerOffset => FAMILY_PER_OFFSET,
        Family::Alibi => FAMILY_ALIBI,
        Family::KerpleLog => FAMILY_KERPLE_LOG,
        Family::KerplePower => FAMILY_KERPLE_POWER,
        Family::Sandwich => FAMILY_SANDWICH,
    };
    [OFFSET_TABLE, part].join("\n")
}

/// The complete WGSL that rotates pairs of features.
pub(crate) fn link_rope(variant: RopeVariant) -> String {
    let storage = if variant.in_place {
        ROPE_IN_PLACE
    } else {
        ROPE_APART
    };
    [&variant.prelude(), ROPE, TURN, PACKING, storage].join("\n")
}
