//! The choices that make one forward kernel out of the shared WGSL.

use std::fmt;

use crate::IndexFormat;

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
        /// How the indices lie in memory.
        format: IndexFormat,
    },
}

/// What is fixed when a forward kernel is compiled; lengths, strides and offsets are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    /// D.
    pub head_dim: u32,
    /// Query rows of one invocation; a workgroup computes eight times as many.
    pub rows: u32,
    /// Where the bias comes from.
    pub bias: BiasSlot,
    /// Keys after the query are hidden.
    pub causal: bool,
    /// A key mask is read.
    pub key_mask: bool,
}

impl Variant {
    /// Invocations of a workgroup.
    pub const WORKGROUP: u32 = 64;
    /// Keys of a tile.
    pub const K_TILE: u32 = 64;

    /// Query rows of a workgroup.
    #[must_use]
    pub const fn q_tile(&self) -> u32 {
        Self::WORKGROUP / 8 * self.rows
    }

    /// Bytes of workgroup memory.
    #[must_use]
    pub const fn workgroup_bytes(&self) -> u32 {
        let slices = (self.q_tile() + Self::K_TILE) * 5;
        let weights_and_values = self.q_tile() * 9 + 256;
        let tiles = 16
            * if slices > weights_and_values {
                slices
            } else {
                weights_and_values
            };
        let partial = self.q_tile() * 8 * 4;
        let visible = Self::K_TILE * 4;
        let strip = match self.bias {
            BiasSlot::Offset => (self.q_tile() + Self::K_TILE) * 4,
            BiasSlot::None | BiasSlot::Index { .. } => 0,
        };
        tiles + partial + visible + strip
    }

    /// The storage bindings that the kernel uses, and whether each is only read; binding 0 holds the uniforms.
    pub(crate) fn bindings(&self) -> Vec<(u32, bool)> {
        let mut bindings = vec![(1, true), (2, true), (3, true), (4, false), (5, false)];
        for (used, number) in [
            (self.bias != BiasSlot::None, 6),
            (self.key_mask, 7),
            (matches!(self.bias, BiasSlot::Index { .. }), 8),
        ] {
            if used {
                bindings.push((number, true));
            }
        }
        bindings
    }

    /// The constants that the shader text leaves open.
    pub(crate) fn prelude(&self) -> String {
        let mut text = format!(
            "const HEAD_DIM = {}u;\nconst ROWS = {}u;\nconst CAUSAL = {};\nconst KEY_MASK = {};\n",
            self.head_dim, self.rows, self.causal, self.key_mask
        );
        if let BiasSlot::Index { rows, format } = self.bias {
            let bytes = format == IndexFormat::U8;
            text += &format!("const TABLE_ROWS = {rows}u;\nconst INDEX_BYTES = {bytes};\n");
        }
        text
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "forward f32 d{} r{}", self.head_dim, self.rows)?;
        f.write_str(match self.bias {
            BiasSlot::None => "",
            BiasSlot::Offset => " offset-bias",
            BiasSlot::Index { .. } => " index-bias",
        })?;
        for (set, word) in [(self.causal, " causal"), (self.key_mask, " key-mask")] {
            f.write_str(if set { word } else { "" })?;
        }
        Ok(())
    }
}
