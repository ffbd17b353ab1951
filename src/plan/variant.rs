//! The choices that make one forward kernel out of the shared WGSL.

use std::fmt;

use crate::{Bias, IndexFormat, Problem};

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

/// What is fixed when a forward kernel is compiled; lengths and offsets are not.
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
    /// The log-sum-exp is written.
    pub lse: bool,
}

impl Variant {
    /// The baseline kernel: no subgroups, 16 KiB of workgroup memory, 64 invocations.
    ///
    /// Eight rows a thread reuse each staged key more, but their sums of more than 64 features no longer fit registers.
    #[must_use]
    pub const fn choose(problem: &Problem, lse: bool) -> Self {
        let head_dim = problem.shape().head_dim;
        Self {
            head_dim,
            rows: if head_dim <= 64 { 8 } else { 4 },
            bias: match problem.bias() {
                Bias::None => BiasSlot::None,
                Bias::Relative(_) => BiasSlot::Offset,
                Bias::Indexed { rows, format } => BiasSlot::Index { rows, format },
            },
            causal: problem.mask().causal,
            key_mask: problem.mask().keys,
            lse,
        }
    }

    /// Query rows of a workgroup.
    #[must_use]
    pub const fn q_tile(&self) -> u32 {
        8 * self.rows
    }

    /// The storage bindings that the kernel uses, and whether each is only read; binding 0 holds the uniforms.
    pub(crate) fn bindings(&self) -> Vec<(u32, bool)> {
        let mut bindings = vec![(1, true), (2, true), (3, true), (4, false)];
        for (used, number, read_only) in [
            (self.lse, 5, false),
            (self.bias != BiasSlot::None, 6, true),
            (self.key_mask, 7, true),
            (matches!(self.bias, BiasSlot::Index { .. }), 8, true),
        ] {
            if used {
                bindings.push((number, read_only));
            }
        }
        bindings
    }

    /// The constants that the shader text leaves open.
    pub(crate) fn prelude(&self) -> String {
        let mut text = format!(
            "const HEAD_DIM = {}u;\nconst ROWS = {}u;\nconst CAUSAL = {};\n",
            self.head_dim, self.rows, self.causal
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
        for (set, word) in [
            (self.causal, " causal"),
            (self.key_mask, " key-mask"),
            (self.lse, " lse"),
        ] {
            f.write_str(if set { word } else { "" })?;
        }
        Ok(())
    }
}
