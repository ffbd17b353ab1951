//! Products of matrices, which rules do not choose where a processor plays the GPU: asked for, over the catalogue in f16.

use relattn::plan::{Algorithm, Candidate, Forward, candidates};
use relattn::{Capabilities, Context, Dtype, Error, Problem, Scale};

use crate::catalogue::{Case, catalogue};
use crate::planted::Planted;

/// The case whose scale is below zero, which other kernels treat as any other.
const NEGATIVE: &str = "negative scale";
const SCALES: [(&str, f32); 2] = [(NEGATIVE, -0.5), ("no scale", 0.0)];

/// The cases of the catalogue that f16 can store, in f16: rows of others begin between words.
pub fn cases() -> Vec<Case> {
    let halves = |Case { name, problem }| {
        let problem = problem.to_builder().dtype(Dtype::F16).build().ok()?;
        Some(Case { name, problem })
    };
    catalogue().into_iter().filter_map(halves).collect()
}

/// The same, and some with a scale that is not above zero.
///
/// # Panics
/// Where the catalogue has lost the case that they are made of.
pub fn cases_and_scales() -> Vec<Case> {
    let mut cases = cases();
    let of_tiles = |case: &&Case| case.name == "constant tiles on both sides";
    let tiles = cases.iter().find(of_tiles).cloned().expect("the case");
    cases.extend(SCALES.map(|(name, scale)| {
        let builder = tiles.problem.to_builder().scale(Scale::Value(scale));
        let problem = builder.build().expect("a finite scale");
        Case { name, problem }
    }));
    cases
}

/// The way to compute a problem by products of matrices, of the largest that the device has.
///
/// # Errors
/// There is none.
pub fn candidate(problem: &Problem, capabilities: &Capabilities) -> Result<Candidate, Error> {
    by_matrices(candidates(problem, capabilities))
}

/// That among all ways to compute a pass.
pub(crate) fn by_matrices(all: Vec<Candidate>) -> Result<Candidate, Error> {
    let found = all
        .into_iter()
        .find(|one| one.algorithm == Algorithm::Cooperative);
    found.ok_or(Error::Candidate {
        found: Candidate {
            algorithm: Algorithm::Cooperative,
            rows: 16,
            splits: 1,
        },
    })
}

/// The pass by products of matrices.
///
/// # Errors
/// As [`candidate`].
pub fn forward(context: &Context, problem: &Problem) -> Result<Forward, Error> {
    let candidate = candidate(problem, &context.capabilities())?;
    context.forward_by(problem, candidate)
}

/// Errors in the kernel by products of matrices; their cases are those of [`cases`].
pub const PLANTED: [Planted; 28] = [
    (
        "bias dropped",
        "factor + biases(4u * four(n), own, tile);",
        "factor;",
        "constant tiles on both sides",
    ),
    (
        "bias shifted by one",
        "staged[Q_TILE - 1u - row + slot]",
        "staged[max(Q_TILE - 1u - row + slot, 1u) - 1u]",
        "constant tiles on both sides",
    ),
    (
        "i and j swapped",
        "staged[Q_TILE - 1u - row + slot]",
        "staged[K_TILE - 1u + row - slot]",
        "constant tiles on both sides",
    ),
    (
        "constant bias dropped",
        "let rest = lacking.bias - top;",
        "let rest = -top;",
        "constant tiles on both sides",
    ),
    (
        "constant bias dropped where keys are hidden",
        "score[n] * lacking.factor + lacking.bias;",
        "score[n] * lacking.factor;",
        "several tiles, grouped heads, padding",
    ),
    (
        "scale left out of the exponent",
        "exp2(score[n] * lacking.factor",
        "exp2(score[n]",
        "constant tiles on both sides",
    ),
    (
        "sign of the scale dropped",
        "select(features, -features, params.scale < 0.0)",
        "features",
        NEGATIVE,
    ),
    (
        "bias on the first key tile only",
        "factor + biases(4u * four(n), own, tile);",
        "factor + select(vec4(0.0), biases(4u * four(n), own, tile), place.k_first == 0u);",
        "constant tiles on both sides",
    ),
    (
        "bias of the first key of four for all",
        "bias_of(row, slot + 1u, own, tile)",
        "bias_of(row, slot, own, tile)",
        "constant tiles on both sides",
    ),
    (
        "scale applied to the bias",
        "factor + biases(4u * four(n), own, tile);",
        "factor + factor * biases(4u * four(n), own, tile);",
        "constant tiles on both sides",
    ),
    (
        "output not corrected",
        "scores[row * SCORE_STRIDE + c] *= correction;",
        "",
        "ALiBi",
    ),
    ("sum not corrected", "sum * correction", "sum", "ALiBi"),
    (
        "nobody asks for a correction",
        "if moves && maximum != LOWEST {",
        "if false {",
        "ALiBi",
    ),
    (
        "maxima that never move",
        "let moves = reached > maximum + STEP;",
        "let moves = maximum == LOWEST && reached > LOWEST;",
        "ALiBi",
    ),
    (
        "weights as matrices are not scaled back",
        "/ (FACTOR * total)",
        "/ total",
        "constant tiles on both sides",
    ),
    (
        "another block's queries",
        "let at = multiplied * SIZE * SLICE_STRIDE",
        "let at = (BLOCKS - 1u - multiplied) * SIZE * SLICE_STRIDE",
        "constant tiles on both sides",
    ),
    (
        "another block's weights",
        "&halves[multiplied * SIZE * P_STRIDE",
        "&halves[(BLOCKS - 1u - multiplied) * SIZE * P_STRIDE",
        "constant tiles on both sides",
    ),
    (
        "keys not transposed",
        "coopLoad<RightMatrix>(&halves[KEYS_AT",
        "coopLoadT<RightMatrix>(&halves[KEYS_AT",
        "constant tiles on both sides",
    ),
    (
        "another block's values",
        "value_block(c, f), sum_blocks",
        "value_block(KEY_BLOCKS - 1u - c, f), sum_blocks",
        "constant tiles on both sides",
    ),
    (
        "features past a slice dropped",
        "if SLICES > 1u { scores_of_slice(1u, local); }",
        "",
        "head_dim 96",
    ),
    (
        "values past a slice dropped",
        "if VALUE_SLICES > 1u { add_slice(1u, hides, local); }",
        "",
        "head_dim 96",
    ),
    (
        "output past a span dropped",
        "if SPANS > 1u { write_span(1u, total); }",
        "",
        "head_dim 96",
    ),
    (
        "the first keys of an invocation for all of its keys",
        "key_starts[n])",
        "key_starts[0])",
        "constant tiles on both sides",
    ),
    (
        "the keys of a tile once more",
        "fetch_keys(place.k_first + K_TILE, 0u, local);",
        "fetch_keys(place.k_first, 0u, local);",
        "constant tiles on both sides",
    ),
    (
        "the keys of a tile that is passed over",
        "fetch_keys(k_first + K_TILE, 0u, local);",
        "",
        "documents",
    ),
    (
        "what is seen counts for nobody",
        "atomicOr(&flag, visible);",
        "",
        "documents",
    ),
    (
        "the sum of kept weights alone",
        "        halves[own_weights + apart(n)]",
        "        sum -= dot(score[n] - p, vec4(1.0));\n        halves[own_weights + apart(n)]",
        "dropout",
    ),
    (
        "dropout of the first keys for all",
        "place.k_first + 4u * four(n)) &",
        "place.k_first) &",
        "dropout",
    ),
];
