//! Rotary positions of q and k before attention.

use std::ops::Range;

use relattn::cpu::rotated;
use relattn::{Layout, Pairing, Problem, Rope, RopeScaling, Rotation, Shape};

use crate::args::{PairingKind, RopeArgs, ScalingKind};
use crate::fault::Fault;

/// The rotation of q and k.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rotary {
    rope: Rope,
    shape: Shape,
    query_offset: i32,
}

impl Rotary {
    /// The rotation that is asked for, if any.
    pub(crate) fn chosen(args: &RopeArgs, problem: &Problem) -> Result<Option<Self>, Fault> {
        let Some(pairing) = args.pairing else {
            return match args.given() {
                Some(option) => Err(unasked(option, "--rope half or interleaved")),
                None => Ok(None),
            };
        };
        let shape = *problem.shape();
        let rope = Rope {
            dimensions: args.dimensions.unwrap_or(shape.head_dim),
            base: args.base.unwrap_or(RopeArgs::BASE),
            scaling: scaling(args)?,
            pairing: match pairing {
                PairingKind::Half => Pairing::HalfSplit,
                PairingKind::Interleaved => Pairing::Interleaved,
            },
        };
        rope.validate(shape.head_dim)?;
        Ok(Some(Self {
            rope,
            shape,
            query_offset: problem.query_offset(),
        }))
    }

    /// Rotates q and k; the positions of a packed batch begin anew at each start of its queries and keys.
    pub(crate) fn rotate(
        &self,
        q: &mut Vec<f32>,
        k: &mut Vec<f32>,
        starts: Option<&[Vec<u32>; 2]>,
    ) -> Result<(), Fault> {
        let shape = &self.shape;
        let [queries, keys] = [0, 1].map(|n| starts.map(|starts| starts[n].as_slice()));
        let q_sizes = [shape.batch, shape.heads, shape.q_len, shape.head_dim];
        let k_sizes = [shape.batch, shape.kv_heads, shape.k_len, shape.head_dim];
        rotate(self.rope, q, q_sizes, self.query_offset, queries)?;
        rotate(self.rope, k, k_sizes, 0, keys)
    }

    /// The transpose of [`Self::rotate`], which takes gradients of what is rotated to those of what is not: turning pairs back is
    /// turning their mirror images.
    pub(crate) fn rotate_back(
        &self,
        dq: &mut Vec<f32>,
        dk: &mut Vec<f32>,
        starts: Option<&[Vec<u32>; 2]>,
    ) -> Result<(), Fault> {
        self.mirror(dq);
        self.mirror(dk);
        self.rotate(dq, dk, starts)?;
        self.mirror(dq);
        self.mirror(dk);
        Ok(())
    }

    /// Negates the second feature of each pair.
    fn mirror(&self, values: &mut [f32]) {
        let dimensions = self.rope.dimensions as usize;
        let (first, step) = match self.rope.pairing {
            Pairing::Interleaved => (1, 2),
            Pairing::HalfSplit => (dimensions / 2, 1),
        };
        for row in values.chunks_exact_mut(self.shape.head_dim as usize) {
            for value in row[first..dimensions].iter_mut().step_by(step) {
                *value = -*value;
            }
        }
    }
}

fn scaling(args: &RopeArgs) -> Result<RopeScaling, Fault> {
    let kind = args.scaling.unwrap_or(ScalingKind::None);
    if kind == ScalingKind::None && args.factor.is_some() {
        return Err(unasked(
            "--rope-factor",
            "--rope-scaling linear, ntk or yarn",
        ));
    }
    if kind != ScalingKind::Yarn && args.original_length.is_some() {
        return Err(unasked("--rope-original-length", "--rope-scaling yarn"));
    }
    let factor = || {
        args.factor
            .ok_or(unasked("--rope-scaling", "--rope-factor"))
    };
    Ok(match kind {
        ScalingKind::None => RopeScaling::None,
        ScalingKind::Linear => RopeScaling::Linear { factor: factor()? },
        ScalingKind::Ntk => RopeScaling::Ntk { factor: factor()? },
        ScalingKind::Yarn => {
            let length = args.original_length;
            let length = length.ok_or(unasked("--rope-scaling yarn", "--rope-original-length"))?;
            RopeScaling::yarn(factor()?, length)
        }
    })
}

fn unasked(option: &str, needed: &'static str) -> Fault {
    Fault::Unasked {
        option: option.to_owned(),
        needed,
    }
}

/// Rotates `[batch, heads, rows, features]` in place, row 0 at this position; of a packed batch row 0 of each sequence.
fn rotate(
    rope: Rope,
    values: &mut Vec<f32>,
    sizes: [u32; 4],
    first_position: i32,
    starts: Option<&[u32]>,
) -> Result<(), Fault> {
    let Some(starts) = starts else {
        let rotation = Rotation::builder(rope, sizes).first_position(first_position);
        *values = rotated(&rotation.build()?, values)?;
        return Ok(());
    };
    // Without heads there are sequences, and nothing at their rows.
    if values.is_empty() {
        return Ok(());
    }
    for sequence in starts.windows(2) {
        let range = sequence[0]..sequence[1];
        if !range.is_empty() {
            rotate_rows(rope, values, sizes, first_position, range)?;
        }
    }
    Ok(())
}

/// Rotates some rows of every head.
fn rotate_rows(
    rope: Rope,
    values: &mut [f32],
    [batch, heads, rows, features]: [u32; 4],
    first_position: i32,
    range: Range<u32>,
) -> Result<(), Fault> {
    let layout = Layout {
        batch: heads * rows * features,
        head: rows * features,
        row: features,
    };
    let sizes = [batch, heads, range.end - range.start, features];
    let rotation = Rotation::builder(rope, sizes)
        .first_position(first_position)
        .input(layout)
        .output(layout)
        .build()?;
    let first = range.start as usize * features as usize;
    let count = usize::try_from(rotation.elements(layout)).unwrap_or(usize::MAX);
    let part = &mut values[first..first + count];
    let turned = rotated(&rotation, part)?;
    let length = sizes[2] as usize * features as usize;
    for plane in 0..batch as usize * heads as usize {
        let start = plane * layout.head as usize;
        part[start..start + length].copy_from_slice(&turned[start..start + length]);
    }
    Ok(())
}
