//! Masks by chance.

use arbitrary::Arbitrary;
use relattn::{Bits, Mask, Packed, Window};

use crate::numbers::{Number, Rare};

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) struct MaskChoice {
    causal: bool,
    keys: Rare<()>,
    key_lengths: Rare<()>,
    query_lengths: Rare<()>,
    documents: Rare<()>,
    bits: Rare<(bool, bool)>,
    window: Rare<(Number, Number)>,
    packed: Rare<Number>,
}

impl MaskChoice {
    /// Whether the batch must be 1.
    pub(crate) const fn is_packed(&self) -> bool {
        self.packed.0.is_some()
    }

    pub(crate) fn mask(&self) -> Mask {
        Mask {
            causal: self.causal,
            keys: self.keys.0.is_some(),
            key_lengths: self.key_lengths.0.is_some(),
            query_lengths: self.query_lengths.0.is_some(),
            documents: self.documents.0.is_some(),
            bits: self.bits.0.map(|(each_sequence, each_head)| Bits {
                each_sequence,
                each_head,
            }),
            window: self.window.0.map(|(left, right)| Window {
                left: left.0,
                right: right.0,
            }),
            packed: self.packed.0.map(|sequences| Packed {
                sequences: sequences.0,
            }),
        }
    }
}
