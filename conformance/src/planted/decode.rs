//! Errors to plant in the kernel of few rows.

use super::Planted;

/// Errors in the kernel of few rows, which every device has.
pub const DECODE: [Planted; 14] = [
    (
        "keys of the first part for all",
        "begin + split * part",
        "begin",
        "one row, several parts",
    ),
    (
        "parts without their sum",
        "(maximum[r] + log2(sum[r])) * LN_2",
        "maximum[r] * LN_2",
        "one row, several parts",
    ),
    (
        "part of sequence 0",
        "(params.part_first + group.x % params.splits) * count.z + group.z;",
        "(params.part_first + group.x % params.splits) * count.z;",
        "paged, decoding step, key lengths",
    ),
    (
        "bias dropped",
        "fma(score[r], params.scale, bias)",
        "fma(score[r], params.scale, 0.0)",
        "one row, several parts",
    ),
    (
        "bias of the first row for all",
        "bias_of(r, slot, own[r], tile_bias(r, r))",
        "bias_of(0u, slot, own[r], tile_bias(r, r))",
        "two rows, several parts, causal",
    ),
    (
        "queries of the first row for all",
        "queries[r * VECTORS + c]",
        "queries[c]",
        "two rows, several parts, causal",
    ),
    (
        "rows see what one of them sees",
        "((seen >> r) & 1u) != 0u",
        "seen != 0u",
        "two rows, several parts, causal",
    ),
    (
        "a key that the first row does not see is skipped",
        "if seen == 0u {",
        "if (seen & 1u) == 0u {",
        "two rows, several parts, causal",
    ),
    (
        "output not rescaled within an invocation",
        "sums[c][r] *= correction;\n        }\n    }\n}\n\n// The rows of which",
        "}\n    }\n}\n\n// The rows of which",
        "one row, several parts",
    ),
    (
        "sum not rescaled within an invocation",
        "fma(sum[r], correction, p)",
        "sum[r] + p",
        "one row, several parts",
    ),
    (
        "sum not rescaled over invocations",
        "sum[r] *= correction;",
        "",
        "one row, several parts",
    ),
    (
        "half of the invocations dropped",
        "half > 0u; half /= 2u",
        "half > 1u; half /= 2u",
        "one row, several parts",
    ),
    (
        "block of sequence 0",
        "block_table[place.batch * params.table_width + j",
        "block_table[j",
        "paged, decoding step, key lengths",
    ),
    (
        "FIRE's normalizer without the position",
        "max(fire_number(1u), f32(position))",
        "fire_number(1u)",
        "FIRE, decoding step",
    ),
];
