//! Errors to plant in the parts that the kernels of many rows share.

use super::Planted;

/// Errors in the parts that the kernels of many rows share.
pub const SHARED: [Planted; 30] = [
    (
        "full tiles are never masked",
        "return KEY_MASK || PAIR_MASK || rows || hidden_offset(first_offset()) || hidden_offset(last_offset()) || last",
        "return last",
        "decoder past saturation",
    ),
    (
        "causal by one",
        "((position + reach) >> step)",
        "((position + reach - 1) >> step)",
        "decoder past saturation",
    ),
    (
        "causal without offset",
        "i32(i) + place.shift - i32(j);",
        "i32(i) - i32(j);",
        "rows without keys",
    ),
    (
        "window one short",
        "(position - params.window_left +",
        "(position - params.window_left + 1 +",
        "window",
    ),
    (
        "window begins a tile late",
        "u32(max(first, 0)) / tile_keys() * tile_keys();",
        "u32(max(first, 0)) / tile_keys() * tile_keys() + tile_keys();",
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
        "f16 taken for bf16",
        "return unpack2x16float(word);",
        "return vec2(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));",
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
        "return params.filled;",
        "return params.filled - 1u;",
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
        "params.shift + i32(first_key) - i32(rows_begin)",
        "params.shift",
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
