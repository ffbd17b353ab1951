//! The choices that make one forward kernel out of the shared WGSL.

use std::fmt;

use super::{BiasSlots, MaskSlots};
use crate::{Capabilities, Dtype, Problem};

/// How the products are shared out over invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Keys and values are staged in workgroup memory, and each invocation of a grid owns a fragment of scores.
    Fragments,
    /// An invocation owns whole rows, and subgroup operations pass keys and values around.
    Broadcast,
    /// A subgroup owns a block of rows, and multiplies matrices of f16 with sums of f32. The weights are rounded to f16 for it, after they
    /// have been summed, and so are the gradients of scores in the backward pass; hence for tensors of f16 alone.
    Cooperative,
    /// An invocation owns keys; the keys of a few rows are split over workgroups, and a second pass merges the parts.
    Decode,
}

impl Algorithm {
    /// The fewest invocations in a subgroup that [`Self::Broadcast`] works with, and the keys that it reads at a time.
    pub const LANES: u32 = 8;
    /// The most invocations in a subgroup that [`Self::Broadcast`] works with: those of its workgroup, so that all are there.
    pub const MOST_LANES: u32 = 32;
    /// The most invocations in a subgroup that [`Self::Cooperative`] works with.
    pub const MOST_MATRIX_LANES: u32 = 128;
    /// Bytes of workgroup memory that a device is requested with for [`Self::Cooperative`]: its kernels need up to 26 KiB, and GPUs have 32.
    pub const MATRIX_STORAGE: u32 = 32_768;
    /// The most features that [`Self::Cooperative`] is chosen for.
    pub const MATRIX_FEATURES: u32 = 128;
    /// The most features that its backward pass is chosen for; it can do [`Self::MATRIX_FEATURES`].
    pub const MATRIX_FEATURES_BACKWARD: u32 = 64;
    /// The most query rows that [`Self::Decode`] is chosen for.
    pub const DECODE_ROWS: u32 = 16;

    /// Whether it reads four features at once where they lie so. It gains nothing on the processors that [`Self::Broadcast`] is for.
    pub(crate) const fn reads_vec4(self) -> bool {
        matches!(self, Self::Fragments | Self::Cooperative | Self::Decode)
    }
}

/// Whether rows begin and end at whole vec4. Bindings do: wgpu aligns them to 32 bytes at least.
fn rows_are_vec4(problem: &Problem) -> bool {
    let strides = problem
        .layouts()
        .into_iter()
        .flat_map(|layout| [layout.batch, layout.head, layout.row]);
    let features = [problem.shape().head_dim, problem.value_dim()];
    strides
        .chain(features)
        .all(|number| number.is_multiple_of(4))
}

/// What is fixed when a forward kernel is compiled; lengths, offsets and, but for [`Self::vec4`], strides are not.
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
    /// Query rows of one invocation; of [`Algorithm::Cooperative`] those of a matrix.
    pub rows: u32,
    /// Four features are read at once, because rows of q, k, v and the output begin at multiples of four numbers and end at one.
    pub vec4: bool,
    /// The most invocations of a subgroup, where the algorithm is [`Algorithm::Cooperative`]; 0 elsewhere.
    pub lanes: u32,
    /// What is added to a score.
    pub bias: BiasSlots,
    /// What hides scores.
    pub mask: MaskSlots,
    /// Weights are left out; how many and by which seed is not fixed.
    pub dropout: bool,
    /// Keys of a block, where k and v are a paged cache.
    pub block_size: Option<u32>,
}

impl Variant {
    /// Of a problem on a device, with an algorithm and its rows.
    pub(crate) fn new(
        problem: &Problem,
        capabilities: &Capabilities,
        (algorithm, rows): (Algorithm, u32),
    ) -> Self {
        let lanes = match algorithm {
            Algorithm::Cooperative => capabilities.largest_subgroup,
            Algorithm::Fragments | Algorithm::Broadcast | Algorithm::Decode => 0,
        };
        Self {
            algorithm,
            dtype: problem.dtype(),
            head_dim: problem.shape().head_dim,
            value_dim: problem.value_dim(),
            rows,
            vec4: algorithm.reads_vec4() && rows_are_vec4(problem),
            lanes,
            bias: BiasSlots::of(problem),
            mask: MaskSlots::of(problem.mask()),
            dropout: problem.dropout().is_some(),
            block_size: problem.paged().map(|paged| paged.block_size),
        }
    }

    /// Invocations of a workgroup.
    #[must_use]
    pub const fn workgroup(&self) -> u32 {
        match self.algorithm {
            // Eight a row, and 64 rows, which share what is staged.
            Algorithm::Fragments if self.rows == 1 => 256,
            Algorithm::Fragments => 8 * (64 / self.rows),
            Algorithm::Decode => 64,
            Algorithm::Broadcast => 32,
            Algorithm::Cooperative => self.blocks() * self.lanes,
        }
    }

    /// Query rows of a workgroup.
    #[must_use]
    pub const fn q_tile(&self) -> u32 {
        match self.algorithm {
            Algorithm::Fragments => self.workgroup() / 8 * self.rows,
            Algorithm::Broadcast => self.workgroup() * self.rows,
            Algorithm::Cooperative => self.blocks() * self.rows,
            Algorithm::Decode => self.rows,
        }
    }

    /// Keys of a tile.
    #[must_use]
    pub const fn k_tile(&self) -> u32 {
        match self.algorithm {
            Algorithm::Fragments => 64,
            // Whole vec4 for each of the invocations that share a row.
            Algorithm::Cooperative if self.lanes / self.rows > 8 => 4 * (self.lanes / self.rows),
            Algorithm::Cooperative => 32,
            // Of decoding the keys that a strand takes at a time.
            Algorithm::Broadcast | Algorithm::Decode => Algorithm::LANES,
        }
    }

    /// Bytes of workgroup memory as WebGPU counts them: those of each variable rounded up to 16, in the dialect of browsers.
    #[must_use]
    pub const fn workgroup_bytes(&self) -> u32 {
        match self.algorithm {
            Algorithm::Fragments => self.fragment_bytes(),
            Algorithm::Cooperative => self.cooperative_bytes(),
            Algorithm::Broadcast => 0,
            // Queries, a number of each invocation for each row, and four vec4 of each invocation.
            Algorithm::Decode => {
                let queries = self.rows * self.head_dim.div_ceil(4) * 16;
                queries + self.rows * 64 * 4 + 64 * 4 * 16
            }
        }
    }

    /// Blocks of rows in a workgroup of [`Algorithm::Cooperative`]: 64 rows, and at most 256 invocations.
    const fn blocks(&self) -> u32 {
        let (by_rows, by_invocations) = (64 / self.rows, 256 / self.lanes);
        if by_rows < by_invocations {
            by_rows
        } else {
            by_invocations
        }
    }

    /// Weights, a slice of k and one of v in f16, each row 8 numbers longer, and scores, each row 4 longer.
    const fn cooperative_bytes(&self) -> u32 {
        let (rows, keys) = (self.q_tile(), self.k_tile());
        let [slice, value_slice] = [self.staged(self.head_dim), self.staged(self.value_dim)];
        let queries = rows * (slice + 8);
        let values = if self.values_by_feature() {
            value_slice * (keys + 8)
        } else {
            keys * (value_slice + 8)
        };
        let others = rows * (keys + 8) + keys * (slice + 8) + values;
        let halves = 2 * if queries > others { queries } else { others };
        let scores = rows * (keys + 4) * 4;
        let visible_and_documents = keys * 8;
        let flag_and_moved = 2 * 16;
        halves + scores + visible_and_documents + flag_and_moved + self.strip_bytes()
    }

    /// Whether [`Algorithm::Cooperative`] stages v by feature: where subgroups may have more than 32 invocations, as on AMD's GPUs.
    pub(crate) const fn values_by_feature(&self) -> bool {
        self.lanes > 32
    }

    /// Features of [`Algorithm::Cooperative`] that are staged at a time, of 64 at most.
    const fn staged(&self, features: u32) -> u32 {
        let matrices = features.div_ceil(self.rows);
        matrices.div_ceil(features.div_ceil(64)) * self.rows
    }

    const fn fragment_bytes(&self) -> u32 {
        let slices = (self.q_tile() + self.k_tile()) * 5;
        let weights_and_values = self.q_tile() * 9 + 256;
        let tiles = 16
            * if slices > weights_and_values {
                slices
            } else {
                weights_and_values
            };
        let partial = self.q_tile() * 8 * 4;
        let flag_and_agreed = 2 * 16;
        tiles + partial + flag_and_agreed + self.strip_bytes()
    }

    /// Biases by offset of a tile.
    pub(super) const fn strip_bytes(&self) -> u32 {
        if self.bias.offset {
            ((self.q_tile() + self.k_tile() - 1) * 4).next_multiple_of(16)
        } else {
            0
        }
    }

    /// The storage bindings that the kernel uses, and whether each is only read; binding 0 holds the uniforms.
    pub(crate) fn bindings(&self) -> Vec<(u32, bool)> {
        let parts = self.algorithm == Algorithm::Decode;
        let (bias, mask) = (&self.bias, &self.mask);
        let mut bindings = vec![(1, true), (2, true), (3, true)];
        for (used, binding) in [
            (!parts, (4, false)),
            (!parts, (5, false)),
            (bias.offset, (6, true)),
            (mask.keys, (7, true)),
            (bias.index.is_some(), (8, true)),
            (mask.lengths.has_keys(), (9, true)),
            (bias.dense, (10, true)),
            (mask.lengths.has_queries(), (11, true)),
            (mask.documents, (12, true)),
            (mask.documents, (13, true)),
            (mask.bits, (14, true)),
            (bias.gate, (15, true)),
            (bias.fire_width.is_some(), (16, true)),
            (bias.index.is_some(), (17, true)),
            (self.block_size.is_some(), (18, true)),
            (parts, (19, false)),
            (parts, (20, false)),
        ] {
            if used {
                bindings.push(binding);
            }
        }
        bindings
    }

    /// The constants that the shader text leaves open.
    pub(crate) fn prelude(&self) -> String {
        let (bias, mask) = (&self.bias, &self.mask);
        let mut text = self.matrix_prelude();
        let mut numbers = vec![
            ("HEAD_DIM", self.head_dim),
            ("VALUE_DIM", self.value_dim),
            ("ROWS", self.rows),
        ];
        if self.algorithm == Algorithm::Cooperative {
            numbers.push(("LANES", self.lanes));
        }
        if let Some(index) = bias.index {
            numbers.extend([
                ("TABLE_ROWS", index.rows),
                ("MATRICES", index.matrices),
                ("INDEX_BITS", 32 / index.format.per_word()),
            ]);
        }
        numbers.extend(bias.fire_width.map(|width| ("FIRE_WIDTH", width)));
        numbers.extend(self.block_size.map(|size| ("BLOCK_SIZE", size)));
        for (name, value) in numbers {
            text += &format!("const {name} = {value}u;\n");
        }
        for (name, value) in [
            ("CAUSAL", mask.causal),
            ("WINDOW", mask.window),
            ("KEY_MASK", mask.keys),
            ("PAIR_MASK", mask.documents || mask.bits),
            ("PAIR_BIAS", bias.by_pair()),
        ] {
            text += &format!("const {name} = {value};\n");
        }
        text
    }
}

impl Variant {
    /// The types of matrices, where there are any.
    fn matrix_prelude(&self) -> String {
        if self.algorithm != Algorithm::Cooperative {
            return String::new();
        }
        let matrix = format!("coop_mat{0}x{0}", self.rows);
        format!(
            "enable f16;\nenable wgpu_cooperative_matrix;\nalias LeftMatrix = {matrix}<f16, A>;\n\
             alias RightMatrix = {matrix}<f16, B>;\nalias SumMatrix = {matrix}<f32, C>;\n"
        )
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fragments => "fragments",
            Self::Broadcast => "broadcast",
            Self::Cooperative => "cooperative",
            Self::Decode => "decode",
        })
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = self.algorithm;
        let dtype = match self.dtype {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
        };
        write!(f, "forward {algorithm} {dtype} d{}", self.head_dim)?;
        if self.value_dim != self.head_dim {
            write!(f, "/{}", self.value_dim)?;
        }
        write!(f, " r{}{}{}", self.rows, self.bias, self.mask)?;
        f.write_str(if self.dropout { " dropout" } else { "" })?;
        let by_number = self.algorithm.reads_vec4() && !self.vec4;
        f.write_str(if by_number { " by-number" } else { "" })?;
        match self.block_size {
            Some(size) => write!(f, " paged{size}"),
            None => Ok(()),
        }
    }
}
