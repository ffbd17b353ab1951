//! Errors to plant in the kernel of fragments.

use super::Planted;

/// Errors in the kernel of fragments.
pub const FRAGMENTS: [Planted; 14] = [
    (
        "constant tiles begin too early",
        "return first_offset() >= radius",
        "return first_offset() >= radius / 2",
        "constant tiles on both sides",
    ),
    (
        "query offset ignored by the bias",
        "offset_bias(first_offset() + i32(t))",
        "offset_bias(first_offset() + place.shift + i32(t))",
        "constant tiles, query offset",
    ),
    (
        "bias dropped",
        "params.scale + bias;",
        "params.scale;",
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
        "bias on the first key tile only",
        "params.scale + bias;",
        "params.scale + select(vec4(0.0), bias, place.k_first == 0u);",
        "constant tiles on both sides",
    ),
    (
        "bias on half a tile only",
        "params.scale + bias;",
        "params.scale + select(vec4(0.0), bias, x < HALF);",
        "constant tiles on both sides",
    ),
    (
        "bias on the first query tile only",
        "params.scale + bias;",
        "params.scale + select(vec4(0.0), bias, place.q_first == 0u);",
        "constant tiles on both sides",
    ),
    (
        "scale applied to the bias",
        "params.scale + bias;",
        "params.scale + params.scale * bias;",
        "constant tiles on both sides",
    ),
    (
        "output not rescaled",
        "sums[n * ROWS + r][f] *= correction;",
        "",
        "constant tiles on both sides",
    ),
    (
        "sum not rescaled",
        "sum[r] * correction",
        "sum[r]",
        "constant tiles on both sides",
    ),
    (
        "second half of a tile dropped",
        "add_half(1u, hides, local);",
        "",
        "constant tiles on both sides",
    ),
    (
        "what is seen counts for nobody",
        "atomicOr(&flag, any);",
        "",
        "documents",
    ),
    (
        "the first row sees for all",
        "atomicOr(&flag, any);",
        "if local == 0u { atomicOr(&flag, any); }",
        "documents",
    ),
];
