//! The names of tensors.

/// The name of a tensor in an attention problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tensor {
    /// Queries, `[B, H, Nq, D]`.
    Q,
    /// Keys, `[B, Hkv, Nk, D]`.
    K,
    /// Values, `[B, Hkv, Nk, Dv]`.
    V,
    /// The parameters of the bias, `[rows, H]`.
    Table,
    /// Which keys may be attended, `[B, Nk]`, one byte each.
    KeyMask,
    /// The number of keys of each sequence, `[B]`.
    KeyLengths,
    /// The number of queries of each sequence, `[B]`.
    QueryLengths,
    /// The document of each query, `[B, Nq]`.
    QueryDocuments,
    /// The document of each key, `[B, Nk]`.
    KeyDocuments,
    /// The mask of bits, `[B, H, Nq, ⌈Nk / 32⌉]` words, without B or H where [`crate::Bits`] has one for all.
    MaskBits,
    /// The first query of each sequence of a packed batch, and the end, `[S + 1]`.
    QueryStarts,
    /// The first key of each sequence of a packed batch, and the end, `[S + 1]`.
    KeyStarts,
    /// The blocks of each sequence of a paged cache, `[B, ⌈Nk / block_size⌉]`.
    BlockTable,
    /// The factors of the bias by offset, `[B, H, Nq]`.
    Gate,
    /// The output, `[B, H, Nq, Dv]`.
    Out,
    /// The log-sum-exp of each row, `[B, H, Nq]`.
    Lse,
    /// The bucket-index matrix, `[Nq, Nk]`.
    Indices,
    /// The dense bias, `[B, H, Nq, Nk]` with strides.
    Bias,
    /// The outputs of parts of the keys, `[P, rows, Dv]`.
    PartOut,
    /// The log-sum-exps of parts of the keys, `[P, rows]`.
    PartLse,
    /// What a rotation reads, `[B, H, N, D]` with strides.
    RopeInput,
    /// The bias by head and clamped offset, `[H, 2 · radius + 1]`, which a pass makes for itself.
    OffsetTable,
    /// FIRE's segments, `[H, 4 · width + 4]`, which a pass makes for itself.
    FireTable,
    /// The gradient of the output, which a backward pass reads, `[B, H, Nq, Dv]`.
    DOut,
    /// The gradient of q, `[B, H, Nq, D]`.
    DQ,
    /// The gradient of k, `[B, Hkv, Nk, D]`.
    DK,
    /// The gradient of v, `[B, Hkv, Nk, Dv]`.
    DV,
    /// The gradient of the table, `[rows, H]`.
    DTable,
    /// The gradient of the gate, `[B, H, Nq]`.
    DGate,
    /// The gradient of the dense bias, with its strides.
    DBias,
    /// What a backward pass keeps between its dispatches.
    Workspace,
}

impl std::fmt::Display for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Q => "q",
            Self::K => "k",
            Self::V => "v",
            Self::Table => "table",
            Self::KeyMask => "key_mask",
            Self::KeyLengths => "key_lengths",
            Self::QueryLengths => "query_lengths",
            Self::QueryDocuments => "query_documents",
            Self::KeyDocuments => "key_documents",
            Self::MaskBits => "mask_bits",
            Self::QueryStarts => "query_starts",
            Self::KeyStarts => "key_starts",
            Self::BlockTable => "block_table",
            Self::Gate => "gate",
            Self::Out => "out",
            Self::Lse => "lse",
            Self::Indices => "indices",
            Self::Bias => "bias",
            Self::PartOut => "the outputs of the parts",
            Self::PartLse => "the lse of the parts",
            Self::RopeInput => "the input of the rotation",
            Self::OffsetTable => "the offset table",
            Self::FireTable => "the table of FIRE",
            Self::DOut => "dout",
            Self::DQ => "dq",
            Self::DK => "dk",
            Self::DV => "dv",
            Self::DTable => "dtable",
            Self::DGate => "dgate",
            Self::DBias => "dbias",
            Self::Workspace => "the workspace",
        })
    }
}
