//! Errors to plant: changes of a shader's text, and a case of the catalogue that must refuse each.

use crate::matrices::PLANTED as MATRICES;

/// The name of an error, the text that it replaces, what it puts there, and a case that must notice.
pub type Planted = (&'static str, &'static str, &'static str, &'static str);

/// A change of every kernel that has a text.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    from: &'static str,
    to: &'static str,
}

impl Edit {
    /// The planted error of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut all = [&SHARED[..], &FRAGMENTS, &BROADCAST, &DECODE, &MATRICES]
            .into_iter()
            .flatten();
        let &(_, from, to, _) = all.find(|(planted, ..)| *planted == name)?;
        Some(Self { from, to })
    }

    /// Whether a kernel has the text.
    #[must_use]
    pub fn applies(&self, kernel: &str) -> bool {
        kernel.contains(self.from)
    }

    /// The kernel with the error.
    #[must_use]
    pub fn of(&self, kernel: &str) -> String {
        kernel.replace(self.from, self.to)
    }
}

/// Errors in the parts that the kernels of many rows share.
pub const SHARED: [Planted; 30] = [
    (
        "full tiles are never masked",
        "return KEY_MASK || PAIR_MASK || rows || hidden_offset(first_offset) || hidden_offset(last_offset) || last",
        "return last",
        "decoder past saturation",
    ),
    (
        "causal by one",
        "CAUSAL && offset > 0;",
        "CAUSAL && offset >= 0;",
        "decoder past saturation",
    ),
    (
        "causal without offset",
        "hidden_offset(i32(j) - i32(i) - place.shift)",
        "hidden_offset(i32(j) - i32(i))",
        "rows without keys",
    ),
    (
        "window one short",
        "offset < -params.window_left",
        "offset <= -params.window_left",
        "window",
    ),
    (
        "window begins a tile late",
        "u32(max(first, 0)) / K_TILE * K_TILE;",
        "u32(max(first, 0)) / K_TILE * K_TILE + K_TILE;",
        "window into the first key of a tile",
    ),
    (
        "window ends a key early",
        "place.shift + reach;",
        "place.shift + reach - 1;",
        "window into the first key of a tile",
    ),
    (
        "key length of sequence 0",
        "key_number(place.batch)",
        "key_number(0u)",
        "key lengths",
    ),
    (
        "query length of sequence 0",
        "query_number(place.batch)",
        "query_number(0u)",
        "query lengths",
    ),
    (
        "documents of sequence 0",
        "place.batch * params.k_len + min(j,",
        "min(j,",
        "documents, causal, no bias",
    ),
    (
        "bits reversed",
        "let low = mask_bits[row + min(j / 32u, last)];",
        "let low = reverseBits(mask_bits[row + min(j / 32u, last)]);",
        "bits for each head",
    ),
    (
        "bits of head 0",
        "place.head * s.y + min(i, params.q_len - 1u) * s.z - params.bits_base;",
        "min(i, params.q_len - 1u) * s.z - params.bits_base;",
        "bits for each head",
    ),
    (
        "tiles with bits are not masked",
        "KEY_MASK || PAIR_MASK || rows",
        "KEY_MASK || rows",
        "bits for each head",
    ),
    (
        "dense bias of head 0",
        "place.head * s.y + min(i, params.q_len - 1u) * s.z;",
        "min(i, params.q_len - 1u) * s.z;",
        "dense, for each head",
    ),
    (
        "halves of a word swapped",
        "at % 2u == 1u",
        "at % 2u == 0u",
        "f16, dense",
    ),
    (
        "bf16 taken for f16",
        "if BF16 {",
        "if !BF16 {",
        "f16, dense",
    ),
    (
        "wrong key/value head",
        "place.head / params.group_size",
        "place.head % (params.heads / params.group_size)",
        "padded rows",
    ),
    (
        "key mask of sequence 0",
        "let at = place.batch * params.k_len + j;",
        "let at = j;",
        "padded rows",
    ),
    (
        "log-sum-exp in base 2",
        "(maximum + log2(total)) * LN_2",
        "(maximum + log2(total))",
        "constant tiles on both sides",
    ),
    (
        "last key dropped",
        "return select(0u, 1u, j < key_limit());",
        "return select(0u, 1u, j + 1u < key_limit());",
        "dense, for each head",
    ),
    (
        "index matrix transposed",
        "min(i, params.q_len - 1u) * s.z + j - params.index_base",
        "j * params.q_len + min(i, params.q_len - 1u) - params.index_base",
        "indices in words",
    ),
    (
        "first index matrix for all",
        "table_row(at + m * params.index_strides.y)",
        "table_row(at)",
        "three tables by three indices",
    ),
    (
        "table of the first index matrix for all",
        "params.table_first + m * TABLE_ROWS + min(row",
        "params.table_first + min(row",
        "three tables by three indices",
    ),
    (
        "bias of head 0",
        "let row = place.head * (",
        "let row = 0u * (",
        "constant tiles on both sides",
    ),
    (
        "gate of head 0",
        "params.heads + place.head) * params.q_len + min(i",
        "params.heads) * params.q_len + min(i",
        "gated",
    ),
    (
        "FIRE's breakpoint search off by one",
        "    return low;\n}\n\nfn fire_prepare",
        "    return max(low, 1u) - 1u;\n}\n\nfn fire_prepare",
        "FIRE",
    ),
    (
        "FIRE's normalizer without the position",
        "max(fire_number(1u), f32(position))",
        "fire_number(1u)",
        "FIRE",
    ),
    (
        "FIRE's change of slope dropped",
        "s < segment_last; s++",
        "s < segment_first; s++",
        "FIRE",
    ),
    (
        "packed offsets without the starts",
        "params.query_offset + i32(first_key) - i32(rows_begin)",
        "params.query_offset",
        "packed",
    ),
    (
        "packed sequence search off by one",
        "if slot_of(middle, of_keys) <= group {",
        "if slot_of(middle, of_keys) < group {",
        "packed",
    ),
    (
        "block of sequence 0",
        "block_table[place.batch * params.table_width + j",
        "block_table[j",
        "paged",
    ),
];

/// Errors in the kernel of fragments.
pub const FRAGMENTS: [Planted; 14] = [
    (
        "constant tiles begin too early",
        "constant_tile = first_offset >= radius",
        "constant_tile = first_offset >= radius / 2",
        "constant tiles on both sides",
    ),
    (
        "query offset ignored by the bias",
        "- place.shift;\n    let last_offset = first_offset",
        ";\n    let last_offset = first_offset",
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
        "row - row_in_subgroup) - place.shift + 1",
        "row - row_in_subgroup) + 1",
        "constant tiles, query offset",
    ),
    (
        "bias of the first key for all",
        "lanes - 1u + slot - row_in_subgroup",
        "lanes - 1u - row_in_subgroup",
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
        "(first_offset >= radius",
        "(first_offset >= radius / 2",
        "constant tiles on both sides",
    ),
    (
        "query offset ignored by constant tiles",
        "- place.shift;\n    let last_offset = first_offset",
        ";\n    let last_offset = first_offset",
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
        "total[r] *= corrections[r];",
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
        "every key is the first",
        "let y = subgroupShuffle(key, e);",
        "let y = subgroupShuffle(key, 0u);",
        "constant tiles on both sides",
    ),
    (
        "every value is the first",
        "let y = subgroupShuffle(value, e);",
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
        "let sequence = split * params.batch + place.batch;",
        "let sequence = split * params.batch;",
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
