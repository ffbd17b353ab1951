//! Biases, masks, shapes, layouts and types two by two: a covering array of kernels.

use std::fmt;

use relattn::plan::choose;
use relattn::{Capabilities, Dtype, Limit};

use crate::covering::covering;
use crate::drawn::Drawn;

/// Levels of each factor, in the order of [`Choice`].
pub const LEVELS: [usize; 14] = [7, 2, 2, 2, 3, 2, 2, 2, 2, 2, 3, 3, 4, 2];

/// A combination by name. What fills the table by offset compiles no other kernel, and is thus left to chance.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// What is added to the scores.
    pub bias: Terms,
    /// Keys after the query are hidden.
    pub causal: bool,
    /// Keys outside a window are hidden.
    pub window: bool,
    /// Some keys are hidden from all queries.
    pub keys: bool,
    /// Whether sequences are as long as the tensors.
    pub lengths: Lengths,
    /// Keys of another document are hidden.
    pub documents: bool,
    /// Any keys are hidden from any queries.
    pub bits: bool,
    /// As few rows as decoding has.
    pub few_rows: bool,
    /// Two query heads share a key head.
    pub grouped: bool,
    /// Values have more features than keys.
    pub wide_values: bool,
    /// How rows lie in memory.
    pub storage: Storage,
    /// The type of q, k, v and the output.
    pub dtype: Dtype,
    /// D.
    pub head_dim: u32,
    /// Some weights are left out.
    pub dropout: bool,
}

/// A sum of biases.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names of the biases")]
pub enum Terms {
    None,
    ByOffset,
    Gated,
    Index,
    Dense,
    Fire,
    ByOffsetAndDense,
}

/// The lengths of sequences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lengths {
    /// As long as the tensors.
    Full,
    /// Of keys and of queries.
    Both,
    /// One behind the other.
    Packed,
}

/// How rows lie in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Storage {
    /// One behind the other.
    Contiguous,
    /// `[B, N, H, D]` with gaps behind rows and sequences.
    Strided,
    /// Blocks of a cache.
    Paged,
}

impl Choice {
    /// Of a level of each factor; the first where there is none.
    #[must_use]
    pub fn of(levels: &[usize]) -> Self {
        use Terms::{ByOffset, ByOffsetAndDense, Dense, Fire, Gated, Index, None};
        let level = |factor: usize| levels.get(factor).copied().unwrap_or(0);
        let set = |factor| level(factor) == 1;
        Self {
            bias: [None, ByOffset, Gated, Index, Dense, Fire, ByOffsetAndDense][level(0)],
            causal: set(1),
            window: set(2),
            keys: set(3),
            lengths: [Lengths::Full, Lengths::Both, Lengths::Packed][level(4)],
            documents: set(5),
            bits: set(6),
            few_rows: set(7),
            grouped: set(8),
            wide_values: set(9),
            storage: [Storage::Contiguous, Storage::Strided, Storage::Paged][level(10)],
            dtype: [Dtype::F32, Dtype::F16, Dtype::Bf16][level(11)],
            head_dim: [8, 20, 40, 64][level(12)],
            dropout: set(13),
        }
    }

    /// Dv.
    #[must_use]
    pub const fn value_dim(&self) -> u32 {
        self.head_dim + if self.wide_values { 4 } else { 0 }
    }

    /// A packed batch has no paged cache; all else goes together.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.lengths != Lengths::Packed || self.storage != Storage::Paged
    }

    /// Whether a device binds all of it.
    ///
    /// # Panics
    /// Where it refuses for another reason than too many buffers.
    #[must_use]
    pub fn fits(&self, capabilities: &Capabilities) -> bool {
        match choose(&Drawn::SMALL.problem(self), capabilities) {
            Ok(_) => true,
            Err(relattn::Error::DeviceLimit {
                limit: Limit::StorageBuffers,
                ..
            }) => false,
            Err(error) => panic!("{self}: {error}"),
        }
    }
}

/// The choices in which every two levels meet that can; those that WebGPU's default limits allow come first.
#[must_use]
pub fn choices(levels: &[usize]) -> Vec<Vec<usize>> {
    let valid = |levels: &[usize]| Choice::of(levels).is_valid();
    covering(levels, valid, |levels| {
        Choice::of(levels).fits(&Capabilities::WEBGPU_DEFAULT)
    })
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.bias {
            Terms::None => "no bias",
            Terms::ByOffset => "by offset",
            Terms::Gated => "gated",
            Terms::Index => "index",
            Terms::Dense => "dense",
            Terms::Fire => "FIRE",
            Terms::ByOffsetAndDense => "by offset + dense",
        })?;
        let named = [
            (self.causal, "causal"),
            (self.window, "window"),
            (self.keys, "keys"),
            (self.lengths == Lengths::Both, "lengths"),
            (self.lengths == Lengths::Packed, "packed"),
            (self.documents, "documents"),
            (self.bits, "bits"),
            (self.few_rows, "few rows"),
            (self.grouped, "grouped"),
            (self.storage == Storage::Strided, "strided"),
            (self.storage == Storage::Paged, "paged"),
            (self.dropout, "dropout"),
            (self.dtype == Dtype::F16, "f16"),
            (self.dtype == Dtype::Bf16, "bf16"),
        ];
        for (_, name) in named.into_iter().filter(|(is, _)| *is) {
            write!(f, ", {name}")?;
        }
        write!(f, ", D {}", self.head_dim)?;
        match self.value_dim() {
            same if same == self.head_dim => Ok(()),
            other => write!(f, ", Dv {other}"),
        }
    }
}
