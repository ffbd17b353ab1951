//! Errors to plant in the kernel by subgroup.

use super::Planted;

/// Errors in the kernel by subgroup.
pub const BROADCAST: [Planted; 19] = [
    (
        "bias dropped",
        "params.scale, bias_of(row, e, own[r], tile))",
        "params.scale, 0.0)",
        "constant tiles on both sides",
    ),
    (
        "bias shifted by one",
        "let first = i32(place.k_first + lane)",
        "let first = 1 + i32(place.k_first + lane)",
        "constant tiles on both sides",
    ),
    (
        "i and j swapped",
        "clamp(offset, -radius, radius)",
        "clamp(-offset, -radius, radius)",
        "constant tiles on both sides",
    ),
    (
        "bias on the first key tile only",
        "bias_of(row, e, own[r], tile))",
        "select(0.0, bias_of(row, e, own[r], tile), place.k_first == 0u))",
        "constant tiles on both sides",
    ),
    (
        "bias on the first query tile only",
        "bias_of(row, e, own[r], tile))",
        "select(0.0, bias_of(row, e, own[r], tile), place.q_first == 0u))",
        "constant tiles on both sides",
    ),
    (
        "scale applied to the bias",
        "bias_of(row, e, own[r], tile))",
        "params.scale * bias_of(row, e, own[r], tile))",
        "constant tiles on both sides",
    ),
    (
        "query offset ignored by the bias",
        "row - lane) - place.shift + 1",
        "row - lane) + 1",
        "constant tiles, query offset",
    ),
    (
        "bias of the first key for all",
        "LANES - 1u + slot - lane",
        "LANES - 1u - lane",
        "constant tiles on both sides",
    ),
    (
        "bias of the tile before, of which there is none",
        "strip_follows = strip_at == place.k_first && place.k_first != key_begin();",
        "strip_follows = true;",
        "constant tiles on both sides",
    ),
    (
        "constant tiles begin too early",
        "return first_offset() >= radius",
        "return first_offset() >= radius / 2",
        "constant tiles on both sides",
    ),
    (
        "query offset ignored by constant tiles",
        "first_offset() >= radius || last_offset() <= -radius",
        "first_offset() + place.shift >= radius || last_offset() + place.shift <= -radius",
        "constant tiles, query offset",
    ),
    (
        "constant tiles hide nothing",
        "if bias_constant() && !hides {",
        "if bias_constant() {",
        "several tiles, grouped heads, padding",
    ),
    (
        "what is hidden is seen",
        "select(~0u, visible[r], hides)",
        "~0u",
        "decoder past saturation",
    ),
    (
        "output not rescaled",
        "sums[b][c][r] *= corrections[r];",
        "",
        "ALiBi",
    ),
    (
        "sum not rescaled",
        "fma(sum[r], correction, added)",
        "sum[r] + added",
        "ALiBi",
    ),
    (
        "every key is the first",
        "let y = subgroupShuffle(key, e + unseen);",
        "let y = subgroupShuffle(key, 0u);",
        "constant tiles on both sides",
    ),
    (
        "every value is the first",
        "let y = subgroupShuffle(value, e + unseen);",
        "let y = subgroupShuffle(value, 0u);",
        "constant tiles on both sides",
    ),
    (
        "nobody sees a tile",
        "return any != 0u;",
        "return false;",
        "documents",
    ),
    (
        "the last row sees for all",
        "any |= visible[r];",
        "any = visible[r];",
        "documents",
    ),
];
