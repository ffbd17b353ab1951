//! Which keys a query may see.

/// Which keys a query may see: all conditions must hold. The offset is `j + key_offset − i − query_offset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mask {
    /// Hide keys after the query: `offset > 0`.
    pub causal: bool,
    /// Hide keys whose byte in the `[B, Nk]` key mask is 0.
    pub keys: bool,
    /// Hide keys from the `[B]` key length of their sequence on; k and v may be longer, as a cache is.
    pub key_lengths: bool,
    /// Hide every key from the queries past the `[B]` query length of their sequence: such rows are 0.
    pub query_lengths: bool,
    /// Hide keys of another document: those whose number in `[B, Nk]` is not that of the query in `[B, Nq]`.
    pub documents: bool,
    /// Hide what the caller's own bits hide.
    pub bits: Option<Bits>,
    /// Hide keys farther away than a sliding window reaches.
    pub window: Option<Window>,
    /// Hide the keys of other sequences than the query's, where several lie one behind the other.
    pub packed: Option<Packed>,
}

/// Sequences of different lengths, one behind the other along the rows of q and out, and of k and v; the batch is then 1. Rows of
/// sequence s are those from `starts[s]` to `starts[s + 1]`; positions, and with them offsets, begin anew in each. Unlike
/// with [`Mask::documents`], nothing is computed for pairs of different sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Packed {
    /// How many sequences there are; there is one start more, the first 0 and the last the number of rows.
    pub sequences: u32,
}

/// A cache in blocks: k and v are pools `[blocks, Hkv, block_size, D]`, and keys `n · block_size …` of a sequence lie in block
/// `block_table[b][n]`, the table being `[B, ⌈Nk / block_size⌉]`. The batch stride of their layouts goes from block to block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Paged {
    /// Keys of a block.
    pub block_size: u32,
    /// Blocks of the pools.
    pub blocks: u32,
}

/// A sliding window: keys with `−left ≤ offset ≤ right` are visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// How far it reaches before the query.
    pub left: u32,
    /// How far it reaches after the query.
    pub right: u32,
}

/// A mask of bits, 1 where a key is visible: `[B, H, Nq, ⌈Nk / 32⌉]` words, of key j bit `j mod 32` of word `j / 32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bits {
    /// Whether each sequence of the batch has its own, or all share one.
    pub each_sequence: bool,
    /// Whether each head has its own, or all share one.
    pub each_head: bool,
}

impl Mask {
    /// Every key is visible.
    pub const NONE: Self = Self {
        causal: false,
        keys: false,
        key_lengths: false,
        query_lengths: false,
        documents: false,
        bits: None,
        window: None,
        packed: None,
    };
    /// Keys after the query are hidden.
    pub const CAUSAL: Self = Self {
        causal: true,
        ..Self::NONE
    };
}
