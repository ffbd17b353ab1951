//! The choices that make one backward kernel out of the shared WGSL.

use std::fmt;

use crate::plan::{Algorithm, Variant};

/// Whose rows a workgroup owns, so that nobody else adds to their gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The queries': dQ, and what each score adds to the gradients of the bias.
    Queries,
    /// The keys': dK and dV.
    Keys,
}

/// Which gradients of the bias a pass leaves sums for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GradientSlots {
    /// Of biases by offset.
    pub offset: bool,
    /// Of the gate.
    pub gate: bool,
    /// Of an index table.
    pub index: bool,
    /// Of FIRE.
    pub fire: bool,
    /// Of a dense bias.
    pub dense: bool,
}

impl GradientSlots {
    /// Whether single scores add to any.
    #[must_use]
    pub const fn of_scores(&self) -> bool {
        self.gate || self.index || self.fire || self.dense
    }
}

/// What is fixed when a backward kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BackwardVariant {
    /// Whose rows workgroups own.
    pub side: Side,
    /// All that a forward kernel has too. The algorithm is not [`Algorithm::Decode`], and `rows` are those of the owned side.
    pub scores: Variant,
    /// The gradients of the bias.
    pub gradients: GradientSlots,
}

impl BackwardVariant {
    /// Rows of the owned side in a workgroup.
    #[must_use]
    pub const fn own_tile(&self) -> u32 {
        self.scores.q_tile()
    }

    /// Rows of the other side in a tile.
    #[must_use]
    pub const fn other_tile(&self) -> u32 {
        self.scores.k_tile()
    }

    /// As [`Variant::workgroup_bytes`].
    #[must_use]
    pub const fn workgroup_bytes(&self) -> u32 {
        match self.scores.algorithm {
            Algorithm::Broadcast => 0,
            Algorithm::Cooperative => self.cooperative_bytes(),
            Algorithm::Fragments | Algorithm::Decode => self.fragment_bytes(),
        }
    }

    const fn fragment_bytes(&self) -> u32 {
        let (own, other) = (self.own_tile(), self.other_tile());
        let slices = (own + other) * 5;
        let weights_and_rows = own * 9 + 256;
        let tiles = 16
            * if slices > weights_and_rows {
                slices
            } else {
                weights_and_rows
            };
        let partial = self.scores.workgroup() * self.scores.rows * 4;
        let flag_and_agreed = 2 * 16;
        tiles + partial + flag_and_agreed + self.scores.strip_bytes()
    }

    /// Weights and a slice of 32 features of the other side's rows in f16, scores, each row 4 numbers longer, bits of dropout, and statistics of
    /// queries where keys own.
    const fn cooperative_bytes(&self) -> u32 {
        let (own, other) = (self.own_tile(), self.other_tile());
        let halves = 2 * (own * other + other * (32 + 8));
        let scores = own * (other + 4) * 4;
        let kept = own * other / 8 * 4;
        let statistics = match self.side {
            Side::Queries => 16,
            Side::Keys => 2 * other * 4,
        };
        let flag_and_largest = 2 * 16;
        halves + scores + kept + statistics + flag_and_largest + self.scores.strip_bytes()
    }

    /// The rows of sums by offset that a workgroup leaves behind.
    pub(super) const fn offset_parts(&self) -> u32 {
        match self.scores.algorithm {
            Algorithm::Broadcast => self.scores.workgroup() / Algorithm::LANES,
            Algorithm::Fragments | Algorithm::Cooperative | Algorithm::Decode => 1,
        }
    }

    /// The storage bindings that the kernel uses, and whether each is only read; binding 0 holds the uniforms of the forward pass, and
    /// 21 those of the backward pass.
    pub(crate) fn bindings(&self) -> Vec<(u32, bool)> {
        let (bias, mask) = (&self.scores.bias, &self.scores.mask);
        let (keys, gradients) = (self.side == Side::Keys, &self.gradients);
        [
            (true, (1, true)),
            (true, (2, true)),
            (true, (3, true)),
            (bias.index.is_some(), (8, true)),
            (bias.dense, (10, true)),
            (mask.bits, (14, true)),
            (true, (22, true)),
            (true, (23, false)),
            (keys, (24, false)),
            (true, (25, keys)),
            (gradients.gate, (26, false)),
            (gradients.dense, (27, false)),
        ]
        .into_iter()
        .filter_map(|(used, binding)| used.then_some(binding))
        .collect()
    }

    /// The constants that the shader text leaves open.
    pub(crate) fn prelude(&self) -> String {
        self.scores.prelude()
    }
}

impl fmt::Display for BackwardVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Queries => "queries",
            Side::Keys => "keys",
        };
        let scores = self.scores.to_string();
        let scores = scores.trim_start_matches("forward ");
        write!(f, "backward {side} {scores}")?;
        let gradients = &self.gradients;
        for (set, word) in [
            (gradients.offset, " offset-gradient"),
            (gradients.gate, " gate-gradient"),
            (gradients.index, " index-gradient"),
            (gradients.fire, " fire-gradient"),
            (gradients.dense, " dense-gradient"),
        ] {
            f.write_str(if set { word } else { "" })?;
        }
        Ok(())
    }
}
