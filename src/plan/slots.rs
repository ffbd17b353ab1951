//! Which file fills each slot of a forward shader.

use std::fmt;

use crate::problem::Indexed;
use crate::{IndexFormat, Mask, Problem};

/// What is added to a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BiasSlots {
    /// A number by head and clamped offset.
    pub offset: bool,
    /// A factor of it for each query.
    pub gate: bool,
    /// A number by index of query and key.
    pub index: Option<IndexSlot>,
    /// A number for each score.
    pub dense: bool,
    /// FIRE with this many units.
    pub fire_width: Option<u32>,
}

/// Index matrices into tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IndexSlot {
    /// Rows of the table of one matrix.
    pub rows: u32,
    /// How many matrices there are.
    pub matrices: u32,
    /// How the indices lie in memory.
    pub format: IndexFormat,
}

/// What hides scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MaskSlots {
    /// Keys after the query are hidden.
    pub causal: bool,
    /// Keys outside a sliding window are hidden.
    pub window: bool,
    /// A key mask is read.
    pub keys: bool,
    /// Where the rows of a sequence begin and end.
    pub lengths: Lengths,
    /// The documents of queries and keys are read.
    pub documents: bool,
    /// A mask of bits is read.
    pub bits: bool,
}

/// Where the rows of a sequence begin and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lengths {
    /// With the tensors.
    #[default]
    Full,
    /// Keys by their number.
    Keys,
    /// Queries by their number.
    Queries,
    /// Both by their number.
    Both,
    /// Both by the starts of a packed batch.
    Packed,
}

impl BiasSlots {
    pub(crate) fn of(problem: &Problem) -> Self {
        Self {
            offset: problem.is_by_offset(),
            gate: problem.gated(),
            index: problem.indexed().map(IndexSlot::from),
            dense: problem.dense().is_some(),
            fire_width: problem.fire().map(|(width, _)| width),
        }
    }

    /// Whether scores of one offset may have different biases.
    pub(crate) const fn by_pair(&self) -> bool {
        self.index.is_some() || self.dense || self.fire_width.is_some()
    }
}

impl From<Indexed> for IndexSlot {
    fn from(indexed: Indexed) -> Self {
        Self {
            rows: indexed.rows,
            matrices: indexed.matrices,
            format: indexed.format,
        }
    }
}

impl MaskSlots {
    pub(crate) const fn of(mask: Mask) -> Self {
        Self {
            causal: mask.causal,
            window: mask.window.is_some(),
            keys: mask.keys,
            lengths: match (mask.packed.is_some(), mask.key_lengths, mask.query_lengths) {
                (true, ..) => Lengths::Packed,
                (false, true, true) => Lengths::Both,
                (false, true, false) => Lengths::Keys,
                (false, false, true) => Lengths::Queries,
                (false, false, false) => Lengths::Full,
            },
            documents: mask.documents,
            bits: mask.bits.is_some(),
        }
    }
}

impl Lengths {
    pub(crate) const fn has_keys(self) -> bool {
        matches!(self, Self::Keys | Self::Both | Self::Packed)
    }

    pub(crate) const fn has_queries(self) -> bool {
        matches!(self, Self::Queries | Self::Both | Self::Packed)
    }
}

impl fmt::Display for BiasSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (set, word) in [
            (self.gate, " gated"),
            (self.offset, " offset-bias"),
            (self.index.is_some(), " index-bias"),
            (self.dense, " dense-bias"),
            (self.fire_width.is_some(), " fire"),
        ] {
            f.write_str(if set { word } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for MaskSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (set, word) in [
            (self.causal, " causal"),
            (self.window, " window"),
            (self.keys, " key-mask"),
            (self.documents, " documents"),
            (self.bits, " bits"),
        ] {
            f.write_str(if set { word } else { "" })?;
        }
        f.write_str(match self.lengths {
            Lengths::Full => "",
            Lengths::Keys => " key-lengths",
            Lengths::Queries => " query-lengths",
            Lengths::Both => " lengths",
            Lengths::Packed => " packed",
        })
    }
}
