//! The caller's buffers.

use wgpu::BufferBinding;

use crate::Tensor;

/// A buffer with offset and size; never a tensor type of ours.
pub type Operand<'a> = BufferBinding<'a>;

/// The buffers of a forward pass: q, k, v, out and bias in the problem's dtype, table and lse in f32, in the shapes of
/// [`crate::Shape`] and the problem's layouts.
#[derive(Clone, Debug)]
pub struct ForwardOperands<'a> {
    /// Queries, `[B, H, Nq, D]`.
    pub q: Operand<'a>,
    /// Keys, `[B, Hkv, Nk, D]`.
    pub k: Operand<'a>,
    /// Values, `[B, Hkv, Nk, Dv]`.
    pub v: Operand<'a>,
    /// `[rows, H]`, where biases have parameters; of a sum, one table behind the other.
    pub table: Option<Operand<'a>>,
    /// `[B, H, Nq]` f32, where the bias is gated.
    pub gate: Option<Operand<'a>>,
    /// `[matrices, Nq, Nk]` or `[matrices, B, Nq, Nk]` in the format of the bias, where it is indexed.
    pub indices: Option<Operand<'a>>,
    /// `[B, H, Nq, Nk]` with the strides of the bias, where it is dense.
    pub bias: Option<Operand<'a>>,
    /// `[B, Nk]` bytes padded to a multiple of four, where the mask asks for it.
    pub key_mask: Option<Operand<'a>>,
    /// `[B]` words, where the mask asks for them; more than Nk counts as Nk.
    pub key_lengths: Option<Operand<'a>>,
    /// `[B]` words, where the mask asks for them.
    pub query_lengths: Option<Operand<'a>>,
    /// `[B, Nq]` words, where the mask asks for documents.
    pub query_documents: Option<Operand<'a>>,
    /// `[B, Nk]` words, where the mask asks for documents.
    pub key_documents: Option<Operand<'a>>,
    /// `[B, H, Nq, ⌈Nk / 32⌉]` words, without B or H where one serves all, where the mask asks for bits.
    pub mask_bits: Option<Operand<'a>>,
    /// `[S + 1]` words, where the batch is packed; what is out of range or order is cut off.
    pub query_starts: Option<Operand<'a>>,
    /// `[S + 1]` words, where the batch is packed; what is out of range or order is cut off.
    pub key_starts: Option<Operand<'a>>,
    /// `[B, ⌈Nk / block_size⌉]` words, where k and v are a paged cache; a block past the pool counts as its last.
    pub block_table: Option<Operand<'a>>,
    /// `[B, H, Nq, Dv]`, written.
    pub out: Operand<'a>,
    /// `[B, H, Nq]`, written where it is given.
    pub lse: Option<Operand<'a>>,
}

impl<'a> ForwardOperands<'a> {
    /// The buffers that every problem has, and no others.
    #[must_use]
    pub const fn new(q: Operand<'a>, k: Operand<'a>, v: Operand<'a>, out: Operand<'a>) -> Self {
        Self {
            q,
            k,
            v,
            table: None,
            gate: None,
            indices: None,
            bias: None,
            key_mask: None,
            key_lengths: None,
            query_lengths: None,
            query_documents: None,
            key_documents: None,
            mask_bits: None,
            query_starts: None,
            key_starts: None,
            block_table: None,
            out,
            lse: None,
        }
    }
}

/// A tensor, its binding number in the forward kernels, and where the caller has it.
pub(super) type Given<'a, 'b> = (u32, Tensor, Option<&'b Operand<'a>>);

impl<'a> ForwardOperands<'a> {
    /// Every tensor that a caller may give.
    pub(super) const fn given(&self) -> [Given<'a, '_>; 18] {
        [
            (1, Tensor::Q, Some(&self.q)),
            (2, Tensor::K, Some(&self.k)),
            (3, Tensor::V, Some(&self.v)),
            (4, Tensor::Out, Some(&self.out)),
            (5, Tensor::Lse, self.lse.as_ref()),
            (17, Tensor::Table, self.table.as_ref()),
            (7, Tensor::KeyMask, self.key_mask.as_ref()),
            (8, Tensor::Indices, self.indices.as_ref()),
            (9, Tensor::KeyLengths, self.key_lengths.as_ref()),
            (9, Tensor::KeyStarts, self.key_starts.as_ref()),
            (10, Tensor::Bias, self.bias.as_ref()),
            (11, Tensor::QueryLengths, self.query_lengths.as_ref()),
            (11, Tensor::QueryStarts, self.query_starts.as_ref()),
            (12, Tensor::QueryDocuments, self.query_documents.as_ref()),
            (13, Tensor::KeyDocuments, self.key_documents.as_ref()),
            (14, Tensor::MaskBits, self.mask_bits.as_ref()),
            (15, Tensor::Gate, self.gate.as_ref()),
            (18, Tensor::BlockTable, self.block_table.as_ref()),
        ]
    }
}
