//! The tensors that files are asked for.

/// A tensor that is looked for: its name, and its dimensions in words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) name: &'static str,
    pub(crate) form: &'static str,
}

const fn wanted(name: &'static str, form: &'static str) -> Wanted {
    Wanted { name, form }
}

pub(crate) const Q: Wanted = wanted("q", "[B, H, Nq, D]");
pub(crate) const K: Wanted = wanted("k", "[B, Hkv, Nk, D]");
pub(crate) const V: Wanted = wanted("v", "[B, Hkv, Nk, D]");
pub(crate) const CTX: Wanted = wanted("ctx", "[B, H, Nq, D]");
pub(crate) const DCTX: Wanted = wanted("dctx", "[B, H, Nq, Dv]");

pub(crate) const TABLE: Wanted = wanted("table", "[rows, H]");
pub(crate) const T5_TABLE: Wanted = wanted("t5_table", "[num_buckets, H]");
pub(crate) const OFFSET_TABLE: Wanted = wanted("offset_table", "[2R + 1, H]");
pub(crate) const INDEX_TABLE: Wanted = wanted("index_table", "[rows, H]");
pub(crate) const SLOPES: Wanted = wanted("slopes", "[H]");
pub(crate) const P: Wanted = wanted("p", "[H]");
pub(crate) const A: Wanted = wanted("a", "[H]");
pub(crate) const KERPLE_LOG_P: Wanted = wanted("kerple_log_p", "[H]");
pub(crate) const KERPLE_LOG_A: Wanted = wanted("kerple_log_a", "[H]");
pub(crate) const KERPLE_POWER_P: Wanted = wanted("kerple_power_p", "[H]");
pub(crate) const KERPLE_POWER_A: Wanted = wanted("kerple_power_a", "[H]");
pub(crate) const INDEX: Wanted = wanted("index", "[Nq, Nk], [B, Nq, Nk] or [M, B or 1, Nq, Nk]");
pub(crate) const BIAS: Wanted = wanted("bias", "[B or 1, H or 1, Nq, Nk]");
pub(crate) const GATE: Wanted = wanted("gate", "[B, H, Nq]");

/// FIRE's weights, by the names in the listing of its paper.
pub(crate) const FIRE_W1: Wanted = wanted("mlp.0.weight", "[W, 1] or [W]");
pub(crate) const FIRE_B1: Wanted = wanted("mlp.0.bias", "[W]");
pub(crate) const FIRE_W2: Wanted = wanted("mlp.2.weight", "[H, W]");
pub(crate) const FIRE_B2: Wanted = wanted("mlp.2.bias", "[H]");
pub(crate) const FIRE_C: Wanted = wanted("c", "[] or [1]");
pub(crate) const FIRE_INIT_L: Wanted = wanted("init_L", "[] or [1]");
pub(crate) const FIRE_L_MULTIPLIER: Wanted = wanted("L_multiplier", "[] or [1]");

pub(crate) const KEY_MASK: Wanted = wanted("key_mask", "[B, Nk]");
pub(crate) const KEY_LENGTHS: Wanted = wanted("key_lengths", "[B]");
pub(crate) const QUERY_LENGTHS: Wanted = wanted("query_lengths", "[B]");
pub(crate) const QUERY_DOCUMENTS: Wanted = wanted("query_documents", "[B, Nq]");
pub(crate) const KEY_DOCUMENTS: Wanted = wanted("key_documents", "[B, Nk]");
pub(crate) const MASK: Wanted = wanted("mask", "[B or 1, H or 1, Nq, Nk]");
pub(crate) const QUERY_STARTS: Wanted = wanted("query_starts", "[S + 1]");
pub(crate) const KEY_STARTS: Wanted = wanted("key_starts", "[S + 1]");
