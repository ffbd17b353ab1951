//! FIRE's weights from a file.

use relattn::Fire;

use crate::fault::Fault;
use crate::gradients::{Form, Slot};
use crate::tensors::TensorFile;
use crate::wanted::{
    FIRE_B1, FIRE_B2, FIRE_C, FIRE_INIT_L, FIRE_L_MULTIPLIER, FIRE_W1, FIRE_W2, Wanted,
};

/// The values of the paper where a file has none.
const C: f32 = 0.1;
const INIT_L: f32 = 512.0;
const L_MULTIPLIER: f32 = 1.0;

/// Units of the hidden layer.
pub(crate) fn width(file: &TensorFile<'_>) -> Result<u32, Fault> {
    if file.rank(FIRE_W1)? == 1 {
        let [width] = file.sizes(FIRE_W1)?;
        return Ok(width);
    }
    let [width, _] = file.sizes(FIRE_W1)?;
    Ok(width)
}

/// The table of the bias.
pub(crate) fn table(file: &TensorFile<'_>, width: u32, heads: u32) -> Result<Vec<f32>, Fault> {
    let [c, init_l, l_multiplier] = numbers(file)?;
    let fire = Fire {
        c,
        init_l,
        l_multiplier,
        w1: &file.floats(FIRE_W1, &w1_sizes(file, width)?)?,
        b1: &file.floats(FIRE_B1, &[width])?,
        w2: &file.floats(FIRE_W2, &[heads, width])?,
        b2: &file.floats(FIRE_B2, &[heads])?,
    };
    Ok(fire.table()?)
}

/// Which rows of the table are which weight. All heads share what is before `mlp.2`; L is the product of two numbers.
pub(crate) fn slots(file: &TensorFile<'_>, width: u32, heads: u32) -> Result<Vec<Slot>, Fault> {
    let [_, init_l, l_multiplier] = numbers(file)?;
    let units = |tensor, sizes, nth, form| {
        let first = 2 + nth * width;
        Slot::new(tensor, sizes, first..first + width, form)
    };
    let (shared, last) = (Form::Shared { factor: 1.0 }, 2 + 3 * width);
    Ok(vec![
        number(file, FIRE_C, 0, 1.0)?,
        number(file, FIRE_INIT_L, 1, l_multiplier)?,
        number(file, FIRE_L_MULTIPLIER, 1, init_l)?,
        units(FIRE_W1, w1_sizes(file, width)?, 0, shared),
        units(FIRE_B1, vec![width], 1, shared),
        units(FIRE_W2, vec![heads, width], 2, Form::Columns),
        Slot::new(FIRE_B2, vec![heads], last..last + 1, Form::Rows),
    ])
}

/// A number that is one of a row, times this factor.
fn number(file: &TensorFile<'_>, tensor: Wanted, row: u32, factor: f32) -> Result<Slot, Fault> {
    let dimensions = if file.has(tensor) {
        file.rank(tensor)?
    } else {
        0
    };
    let sizes = vec![1; dimensions.min(1)];
    let factor = factor.into();
    Ok(Slot::new(
        tensor,
        sizes,
        row..row + 1,
        Form::Shared { factor },
    ))
}

/// c, `init_L` and `L_multiplier`.
fn numbers(file: &TensorFile<'_>) -> Result<[f32; 3], Fault> {
    Ok([
        file.number(FIRE_C)?.unwrap_or(C),
        file.number(FIRE_INIT_L)?.unwrap_or(INIT_L),
        file.number(FIRE_L_MULTIPLIER)?.unwrap_or(L_MULTIPLIER),
    ])
}

/// `[W, 1]` or `[W]`, as the file has it.
fn w1_sizes(file: &TensorFile<'_>, width: u32) -> Result<Vec<u32>, Fault> {
    let column = [width, 1];
    Ok(column[..file.rank(FIRE_W1)?.clamp(1, 2)].to_vec())
}
