//! The WGSL files, and how they are put together.
//!
//! Module scope has no order in WGSL, so linking is concatenation: the prelude, the entry, its parts, one file a slot.

mod dialect;

pub use dialect::Dialect;

use crate::Dtype;
use crate::plan::{
    Algorithm, BackwardVariant, Family, GradientFamily, Lengths, RopeVariant, Side, Variant,
};

/// A file of the folder of parts.
macro_rules! part {
    ($name:literal) => {
        include_str!(concat!("../../shaders/part/", $name, ".wgsl"))
    };
}

/// A file that stands by itself, or that parts are added to.
macro_rules! entry {
    ($name:literal) => {
        include_str!(concat!("../../shaders/", $name, ".wgsl"))
    };
}

/// The slot `uniformity` for compilers that take our word for it, and for those that do not.
const UNIFORMITY: [&str; 2] = [part!("uniformity_told"), part!("uniformity_proved")];

/// The slot `tile`, but for kernels by subgroup, which say themselves what a subgroup's is.
const TILE: &str = part!("tile_of_workgroup");

/// What both kernels of fragments have.
const FRAGMENTS: &[&str] = &[part!("fragments"), UNIFORMITY[0], TILE];

/// The complete WGSL that builds the bucket-index matrix, with so many indices in a word.
pub(crate) fn link_bucket_index(per_word: u32) -> String {
    let constant = format!("const PER_WORD = {per_word}u;");
    [&constant, entry!("bucket_index"), part!("bucket")].join("\n")
}

/// The kernel that merges attention over parts of the keys.
pub(crate) const MERGE: &str = entry!("merge");

/// The kernel that copies words.
pub(crate) const COPY_WORDS: &str = entry!("copy_words");

/// The complete WGSL of a variant.
#[must_use]
pub fn link(variant: &Variant) -> String {
    let entry = match variant.algorithm {
        Algorithm::Fragments => entry!("attention_forward"),
        Algorithm::Broadcast => entry!("attention_forward_broadcast"),
        Algorithm::Cooperative => entry!("attention_forward_cooperative"),
        Algorithm::Decode => entry!("attention_decode"),
    };
    let offset = match (variant.bias.offset, variant.algorithm) {
        (false, _) => part!("offset_none"),
        (true, Algorithm::Fragments | Algorithm::Cooperative) => part!("offset_strip"),
        (true, Algorithm::Broadcast) => part!("offset_shuffle"),
        (true, Algorithm::Decode) => part!("offset_direct"),
    };
    let prelude = variant.prelude();
    let mut files = vec![prelude.as_str(), entry, offset, part!("small_bound")];
    files.extend(match variant.algorithm {
        Algorithm::Fragments => FRAGMENTS,
        Algorithm::Cooperative => &[part!("fetched_halves"), part!("spans_halves"), TILE],
        Algorithm::Decode => &[TILE],
        Algorithm::Broadcast => &[part!("octets")],
    });
    files.extend(staged_keys(variant));
    files.extend(scores(variant));
    files.join("\n")
}

/// The slots `values` and `met_keys` of the kernel by matrices. NVIDIA's subgroups, of 32, turn matrices as they read them; a lane of AMD's, of
/// up to 64, reads one number after the other unless what it has of a column lies together.
const fn staged_keys(variant: &Variant) -> [&'static str; 2] {
    let Algorithm::Cooperative = variant.algorithm else {
        return [""; 2];
    };
    [
        either(
            variant.values_by_feature(),
            part!("values_by_feature"),
            part!("values_by_key"),
        ),
        either(
            variant.block_size.is_some(),
            part!("met_keys_paged"),
            part!("met_keys_contiguous"),
        ),
    ]
}

/// The complete WGSL of a backward variant.
#[must_use]
pub fn link_backward(variant: &BackwardVariant) -> String {
    let scores_variant = &variant.scores;
    let (owner, workspace) = match variant.side {
        Side::Queries => (part!("owner_queries"), part!("workspace_write")),
        Side::Keys => (part!("owner_keys"), part!("workspace_read")),
    };
    let broadcast = scores_variant.algorithm == Algorithm::Broadcast;
    let entry = match scores_variant.algorithm {
        Algorithm::Broadcast => entry!("attention_backward_broadcast"),
        Algorithm::Cooperative => entry!("attention_backward_cooperative"),
        Algorithm::Fragments | Algorithm::Decode => entry!("attention_backward"),
    };
    let offset = match (scores_variant.bias.offset, broadcast, variant.side) {
        (false, ..) => part!("offset_none"),
        (true, false, _) => part!("offset_strip"),
        (true, true, Side::Queries) => part!("offset_shuffle"),
        (true, true, Side::Keys) => part!("offset_shuffle_keys"),
    };
    let offset_gradient = match (variant.gradients.offset, broadcast) {
        (false, _) => part!("offset_gradient_none"),
        (true, false) => part!("offset_gradient_diagonals"),
        (true, true) => part!("offset_gradient_octets"),
    };
    let prelude = variant.prelude();
    let [gradients, dout] = gradients(
        scores_variant.dtype,
        scores_variant.algorithm,
        scores_variant.vec4,
    );
    let mut files = vec![
        prelude.as_str(),
        entry,
        owner,
        workspace,
        part!("backward_params"),
        part!("backward"),
        part!("small_workspace"),
        part!("mask_queries"),
        gradients,
        dout,
        offset,
        offset_gradient,
    ];
    files.extend(match scores_variant.algorithm {
        Algorithm::Fragments | Algorithm::Decode => FRAGMENTS,
        Algorithm::Cooperative => &[part!("rows_halves"), part!("biases_halves"), TILE],
        Algorithm::Broadcast => &[part!("octets")],
    });
    files.extend(score_gradient(variant));
    files.extend(scores(scores_variant));
    files.join("\n")
}

/// The slot `score_gradient`, and what fills its own slots.
fn score_gradient(variant: &BackwardVariant) -> Vec<&'static str> {
    let gradients = &variant.gradients;
    if !gradients.of_scores() {
        return vec![part!("score_gradient_none")];
    }
    if variant.side == Side::Keys {
        return vec![part!("score_gradient_keys")];
    }
    vec![
        part!("score_gradient_queries"),
        either(
            gradients.gate,
            part!("gate_gradient"),
            part!("gate_gradient_none"),
        ),
        either(
            gradients.index,
            part!("index_gradient"),
            part!("index_gradient_none"),
        ),
        either(
            gradients.fire,
            part!("fire_gradient"),
            part!("fire_gradient_none"),
        ),
        either(
            gradients.dense,
            part!("dense_gradient"),
            part!("dense_gradient_none"),
        ),
    ]
}

const fn either(used: bool, some: &'static str, none: &'static str) -> &'static str {
    if used { some } else { none }
}

/// What every pass over scores has: the tensors, the mask, and the bias but for the slots `offset` and `small`.
fn scores(variant: &Variant) -> Vec<&'static str> {
    let (bias, mask) = (&variant.bias, &variant.mask);
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
    let [storage, numbers, packing, vectors, halves] =
        storage(variant.dtype, variant.algorithm, variant.vec4);
    let indexed = bias.index.is_some();
    vec![
        part!("params"),
        part!("order"),
        storage,
        numbers,
        packing,
        vectors,
        halves,
        part!("tensors"),
        part!("mask"),
        part!("infinity"),
        part!("bias"),
        either(bias.gate, part!("gate"), part!("gate_none")),
        either(indexed, part!("index_matrix"), part!("index_none")),
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
}

/// The slots `gradients` and `dout`.
const fn gradients(dtype: Dtype, algorithm: Algorithm, vec4: bool) -> [&'static str; 2] {
    match (dtype, algorithm, vec4) {
        (Dtype::F32, _, false) => [part!("gradients_f32"), part!("dout_f32")],
        (Dtype::F32, _, true) => [part!("gradients_f32"), part!("dout_f32_vec4")],
        (_, Algorithm::Cooperative, false) => [part!("gradients_packed"), part!("dout_halves")],
        (_, Algorithm::Cooperative, true) => [part!("gradients_packed"), part!("dout_halves_vec4")],
        (_, _, false) => [part!("gradients_packed"), part!("dout_packed")],
        (_, _, true) => [part!("gradients_packed"), part!("dout_packed_vec4")],
    }
}

/// The slot `storage`, and what it needs.
const fn storage(dtype: Dtype, algorithm: Algorithm, vec4: bool) -> [&'static str; 5] {
    let by_matrices = matches!(algorithm, Algorithm::Cooperative);
    let storage = match (dtype, by_matrices, vec4) {
        (Dtype::F32, _, false) => part!("storage_f32"),
        (Dtype::F32, _, true) => part!("storage_f32_vec4"),
        (_, true, false) => part!("storage_halves"),
        (_, true, true) => part!("storage_halves_vec4"),
        (_, false, false) => part!("storage_packed"),
        (_, false, true) => part!("storage_packed_vec4"),
    };
    let vectors = either(vec4, part!("vectors"), "");
    if matches!(dtype, Dtype::F32) {
        return [storage, part!("numbers"), "", vectors, ""];
    }
    let halves = either(by_matrices, part!("halves"), "");
    [storage, part!("words"), packing(dtype), vectors, halves]
}

/// The slot `packing`. f32 has no use for it, but rotations name it.
const fn packing(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F16 => part!("packing_f16"),
        Dtype::Bf16 | Dtype::F32 => part!("packing_bf16"),
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
        Family::Sandwich => part!("family_sandwich"),
    };
    let power = if family == Family::KerplePower {
        part!("power")
    } else {
        ""
    };
    let table = if family == Family::Sandwich {
        ""
    } else {
        part!("table")
    };
    let bucket = if family == Family::Buckets {
        part!("bucket")
    } else {
        ""
    };
    let entry = entry!("offset_table");
    [entry, part!("two_words"), table, power, bucket, formula].join("\n")
}

/// The complete WGSL that makes the gradient of a bias by offset.
pub(crate) fn link_offset_gradient(family: GradientFamily) -> String {
    let (power, formula) = match family {
        GradientFamily::Rows => return link_row_gradient(part!("rows_ranges")),
        GradientFamily::Alibi => ("", part!("gradient_alibi")),
        GradientFamily::KerpleLog => ("", part!("gradient_kerple_log")),
        GradientFamily::KerplePower => (
            concat!(part!("power"), "\n", part!("two_words")),
            part!("gradient_kerple_power"),
        ),
    };
    [
        entry!("offset_gradient"),
        part!("workspace_read"),
        part!("table"),
        power,
        formula,
    ]
    .join("\n")
}

/// The complete WGSL that makes the gradient of an index table.
pub(crate) fn link_index_gradient() -> String {
    link_row_gradient(part!("rows_apart"))
}

fn link_row_gradient(rows: &str) -> String {
    [entry!("row_gradient"), rows, part!("workspace_read")].join("\n")
}

/// The complete WGSL that makes the gradients of FIRE's parameters.
pub(crate) fn link_fire_gradient(width: u32) -> String {
    [
        &fire_width(width),
        entry!("fire_gradient"),
        part!("fire_units"),
        part!("table"),
        part!("workspace_read"),
    ]
    .join("\n")
}

/// The complete WGSL that clears the gradient of a dense bias.
pub(crate) fn link_clear_dbias() -> String {
    [
        entry!("clear_dbias"),
        part!("params"),
        part!("backward_params"),
    ]
    .join("\n")
}

/// The complete WGSL that adds up what workgroups left behind.
pub(crate) fn link_partial_sums() -> String {
    [entry!("partial_sums"), part!("workspace_write")].join("\n")
}

/// The complete WGSL that makes what a backward pass needs of each query.
pub(crate) fn link_backward_statistics(dtype: Dtype, value_dim: u32) -> String {
    let [storage, numbers, packing, ..] = storage(dtype, Algorithm::Fragments, false);
    let [gradients, dout] = gradients(dtype, Algorithm::Fragments, false);
    [
        &value_features(value_dim),
        entry!("backward_statistics"),
        part!("params"),
        part!("backward_params"),
        part!("backward"),
        part!("workspace_write"),
        gradients,
        dout,
        storage,
        numbers,
        packing,
        part!("tensors"),
        part!("keys_contiguous"),
    ]
    .join("\n")
}

/// The complete WGSL that makes FIRE's segments.
pub(crate) fn link_fire_table(width: u32) -> String {
    [
        &fire_width(width),
        entry!("fire_table"),
        part!("fire_units"),
        part!("table"),
    ]
    .join("\n")
}

/// How many units FIRE's MLP has.
fn fire_width(width: u32) -> String {
    format!("const FIRE_WIDTH = {width}u;")
}

/// How many features a value has.
fn value_features(value_dim: u32) -> String {
    format!("const VALUE_DIM = {value_dim}u;")
}

/// The complete WGSL that merges the parts of a decoding step.
pub(crate) fn link_decode_merge(dtype: Dtype, value_dim: u32) -> String {
    let [storage, numbers, packing, ..] = storage(dtype, Algorithm::Decode, false);
    [
        &value_features(value_dim),
        entry!("attention_decode_merge"),
        part!("params"),
        storage,
        numbers,
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
        packing(variant.dtype),
        storage,
    ]
    .join("\n")
}
