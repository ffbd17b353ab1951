//! Rotary positions of q and k before attention.

use std::ops::Range;

use relattn::cpu::rotated;
use relattn::{Layout, Pairing, Rope, RopeScaling, Rotation};

use crate::args::{PairingKind, RopeArgs, ScalingKind};
use crate::fault::Fault;

/// The rotation that is asked for, if any.
pub(crate) fn chosen(args: &RopeArgs, head_dim: u32) -> Result<Option<Rope>, Fault> {
    let Some(pairing) = args.pairing else {
        return match args.given() {
            Some(option) => Err(unasked(option, "--rope half or interleaved")),
            None => Ok(None),
        };
    };
    let rope = Rope {
        dimensions: args.dimensions.unwrap_or(head_dim),
        base: args.base.unwrap_or(RopeArgs::BASE),
        scaling: scaling(args)?,
        pairing: match pairing {
            PairingKind::Half => Pairing::HalfSplit,
            PairingKind::Interleaved => Pairing::Interleaved,
        },
    };
    rope.validate(head_dim)?;
    Ok(Some(rope))
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
pub(crate) fn rotate(
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
