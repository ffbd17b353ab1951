//! The choices that make one forward kernel out of the shared WGSL.

use std::fmt;

use crate::{Dtype, IndexFormat};

/// Where the bias of a score comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BiasSlot {
    /// Nowhere.
    None,
    /// A table by head and clamped offset.
    Offset,
    /// A table of this many rows, by an index for each query and key.
    Index {
        /// Rows of the table.
        rows: u32,
        /// Each sequence has indices of its own.
        each_sequence: bool,
        /// How the indices lie in memory.
        format: IndexFormat,
    },
    /// A number for each score.
    Dense,
}

/// How the products are shared out over invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Keys and values are staged in workgroup memory, and each invocation of a grid owns a fragment of scores.
    Fragments,
    /// An invocation owns whole rows, and subgroup operations pass keys and values around.
    Broadcast,
}

impl Algorithm {
    /// The fewest invocations in a subgroup that [`Self::Broadcast`] works with, and the keys that it reads at a time.
    pub const LANES: u32 = 8;
}

/// What is fixed when a forward kernel is compiled; lengths, strides and offsets are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    /// How the products are shared out.
    pub algorithm: Algorithm,
    /// How q, k, v, the output and a dense bias are stored.
    pub dtype: Dtype,
    /// D.
    pub head_dim: u32,
    /// Dv.
    pub value_dim: u32,
    /// Query rows of one invocation.
    pub rows: u32,
    /// Where the bias comes from.
    pub bias: BiasSlot,
    /// Keys after the query are hidden.
    pub causal: bool,
    /// A key mask is read.
    pub key_mask: bool,
    /// The number of keys of each sequence is read.
    pub key_lengths: bool,
    /// The number of queries of each sequence is read.
    pub query_lengths: bool,
    /// The documents of queries and keys are read.
    pub documents: bool,
    /// A mask of bits is read.
    pub bits: bool,
    /// Keys outside a sliding window are hidden.
    pub window: bool,
}

impl Variant {
    /// Invocations of a workgroup.
    #[must_use]
    pub const fn workgroup(&self) -> u32 {
        match self.algorithm {
            Algorithm::Fragments => 64,
            Algorithm::Broadcast => 32,
        }
    }

    /// Query rows of a workgroup.
    #[must_use]
    pub const fn q_tile(&self) -> u32 {
        match self.algorithm {
            Algorithm::Fragments => self.workgroup() / 8 * self.rows,
            Algorithm::Broadcast => self.workgroup() * self.rows,
        }
    }

    /// Keys of a tile.
    #[must_use]
    pub const fn k_tile(&self) -> u32 {
        match self.algorithm {
            Algorithm::Fragments => 64,
            Algorithm::Broadcast => Algorithm::LANES,
        }
    }

    /// Bytes of workgroup memory.
    #[must_use]
    pub const fn workgroup_bytes(&self) -> u32 {
        if matches!(self.algorithm, Algorithm::Broadcast) {
            return 0;
        }
        let slices = (self.q_tile() + self.k_tile()) * 5;
        let weights_and_values = self.q_tile() * 9 + 256;
        let tiles = 16
            * if slices > weights_and_values {
                slices
            } else {
                weights_and_values
            };
        let partial = self.q_tile() * 8 * 4;
        let visible = self.k_tile() * 4;
        let strip = match self.bias {
            BiasSlot::Offset => (self.q_tile() + self.k_tile()) * 4,
            _ => 0,
        };
        let infinities = 4;
        tiles + partial + visible + infinities + strip
    }

    /// The storage bindings that the kernel uses, and whether each is only read; binding 0 holds the uniforms.
    pub(crate) fn bindings(&self) -> Vec<(u32, bool)> {
        let mut bindings = vec![(1, true), (2, true), (3, true), (4, false), (5, false)];
        for (used, number) in [
            (
                matches!(self.bias, BiasSlot::Offset | BiasSlot::Index { .. }),
                6,
            ),
            (self.key_mask, 7),
            (matches!(self.bias, BiasSlot::Index { .. }), 8),
            (self.key_lengths, 9),
            (self.bias == BiasSlot::Dense, 10),
            (self.query_lengths, 11),
            (self.documents, 12),
            (self.documents, 13),
            (self.bits, 14),
        ] {
            if used {
                bindings.push((number, true));
            }
        }
        bindings
    }

    /// The constants that the shader text leaves open.
    pub(crate) fn prelude(&self) -> String {
        let mut text = String::new();
        for (name, value) in [
            ("HEAD_DIM", self.head_dim),
            ("VALUE_DIM", self.value_dim),
            ("ROWS", self.rows),
        ] {
            text += &format!("const {name} = {value}u;\n");
        }
        for (name, value) in [
            ("CAUSAL", self.causal),
            ("WINDOW", self.window),
            ("KEY_MASK", self.key_mask),
            ("PAIR_MASK", self.documents || self.bits),
        ] {
            text += &format!("const {name} = {value};\n");
        }
        if self.dtype != Dtype::F32 {
            let bf16 = self.dtype == Dtype::Bf16;
            text += &format!("const BF16 = {bf16};\n");
        }
        if let BiasSlot::Index {
            rows,
            each_sequence,
            format,
        } = self.bias
        {
            let bits = 32 / format.per_word();
            text += &format!(
                "const TABLE_ROWS = {rows}u;\nconst INDEX_BITS = {bits}u;\nconst EACH_SEQUENCE = {each_sequence};\n"
            );
        }
        text
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = match self.algorithm {
            Algorithm::Fragments => "fragments",
            Algorithm::Broadcast => "broadcast",
        };
        let dtype = match self.dtype {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
        };
        write!(f, "forward {algorithm} {dtype} d{}", self.head_dim)?;
        if self.value_dim != self.head_dim {
            write!(f, "/{}", self.value_dim)?;
        }
        write!(f, " r{}", self.rows)?;
        f.write_str(match self.bias {
            BiasSlot::None => "",
            BiasSlot::Offset => " offset-bias",
            BiasSlot::Index { .. } => " index-bias",
            BiasSlot::Dense => " dense-bias",
        })?;
        for (set, word) in [
            (self.causal, " causal"),
            (self.window, " window"),
            (self.key_mask, " key-mask"),
            (self.key_lengths, " key-lengths"),
            (self.query_lengths, " query-lengths"),
            (self.documents, " documents"),
            (self.bits, " bits"),
        ] {
            f.write_str(if set { word } else { "" })?;
        }
        Ok(())
    }
}
