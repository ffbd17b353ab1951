//! The backward pass by products of matrices, as [`crate::matrices`] has the forward pass.

use relattn::plan::{Candidate, candidates_backward};
use relattn::{Capabilities, Error, Problem};

use crate::matrices::by_matrices;
use crate::planted::Planted;

/// The way to compute the gradients of a problem by products of matrices, of the largest that the device has.
///
/// # Errors
/// There is none.
pub fn candidate(problem: &Problem, capabilities: &Capabilities) -> Result<Candidate, Error> {
    by_matrices(candidates_backward(problem, capabilities))
}

const TILES: &str = "constant tiles on both sides";

/// Errors in the kernel of gradients by products of matrices; their cases are those of [`crate::matrices::cases`].
pub const PLANTED: [Planted; 24] = [
    (
        "bias dropped from the scores of gradients",
        "(biases(slot) - statistics",
        "(vec4(0.0) - statistics",
        TILES,
    ),
    (
        "constant bias dropped where queries own",
        "bias = constant_bias(row_bias(row));",
        "",
        TILES,
    ),
    (
        "constant bias dropped where keys own",
        "both.x - constant_of_query(t)",
        "both.x",
        TILES,
    ),
    (
        "bias of one key for the next",
        "bias_of_pair(slot + 1u)",
        "bias_of_pair(slot)",
        TILES,
    ),
    (
        "delta left out",
        "p * (dp - statistics_of_four(slot)[1])",
        "p * dp",
        TILES,
    ),
    (
        "statistics of one query for the next",
        "statistics[at + 1u]",
        "statistics[at]",
        TILES,
    ),
    (
        "statistics of the tile before",
        "statistics_of(place.q_first + t)",
        "statistics_of(max(place.q_first, OTHER) - OTHER + t)",
        TILES,
    ),
    (
        "rows for sums as near each other as those for products",
        "4u * others_apart[which][n]",
        "others_apart[which][n]",
        TILES,
    ),
    (
        "the first rows of an invocation for all of its rows",
        "row_at(other_rows(which, others_apart[which][n]))",
        "row_at(other_rows(which, others_apart[which][0]))",
        "head_dim 96",
    ),
    (
        "sums that keep their old exponent",
        "sum_blocks[f] = sum_blocks[f] * less;",
        "",
        "ALiBi",
    ),
    (
        "gradients of scores before they have an exponent",
        "ldexp(1.0, exponent), which == 0u",
        "1.0, which == 0u",
        TILES,
    ),
    (
        "weights as matrices are not scaled back",
        "keep_scale() / FACTOR",
        "keep_scale()",
        TILES,
    ),
    (
        "weights that are kept are not scaled",
        "keep_scale() / FACTOR",
        "1.0 / FACTOR",
        "dropout",
    ),
    (
        "gradients of weights that are kept are not scaled",
        "shown(dp * keep_scale(), kept)",
        "shown(dp, kept)",
        "dropout",
    ),
    (
        "dropout of one key for the next",
        "kept_bit(slot + 1u) << 1u",
        "kept_bit(slot) << 1u",
        "dropout",
    ),
    (
        "another block's own rows",
        "let at = multiplied * SIZE * STRIDE + f",
        "let at = (BLOCKS - 1u - multiplied) * SIZE * STRIDE + f",
        TILES,
    ),
    (
        "another block's weights",
        "&halves[multiplied * SIZE * WEIGHT_STRIDE",
        "&halves[(BLOCKS - 1u - multiplied) * SIZE * WEIGHT_STRIDE",
        TILES,
    ),
    (
        "rows not transposed for products",
        "coopLoad<RightMatrix>(&halves[at], STRIDE)",
        "coopLoadT<RightMatrix>(&halves[at], STRIDE)",
        TILES,
    ),
    (
        "rows transposed for sums",
        "coopLoad<RightMatrix>(&halves[at], FEATURE_STRIDE)",
        "coopLoadT<RightMatrix>(&halves[at], FEATURE_STRIDE)",
        TILES,
    ),
    (
        "features past a slice dropped from S",
        "if HEAD_SLICES > 1u { add_product(0u, 1u, local); }",
        "",
        "head_dim 96",
    ),
    (
        "features past a slice dropped from dP",
        "if VALUE_SLICES > 1u { add_product(1u, 1u, local); }",
        "",
        "head_dim 96",
    ),
    (
        "sums past a slice dropped",
        "if HEAD_SLICES > 2u { add_slice(0u, 2u, hides, local); }",
        "",
        "head_dim 96",
    ),
    (
        "hidden scores count",
        "ds = shown(ds, visible >> (4u * n));",
        "",
        "documents",
    ),
    (
        "the bias's gradient of some keys alone",
        "const GRADIENT_SLOTS = OTHER;",
        "const GRADIENT_SLOTS = OTHER - 1u;",
        TILES,
    ),
];
