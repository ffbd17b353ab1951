//! FIRE's weights from a file.

use relattn::Fire;

use crate::fault::Fault;
use crate::tensors::TensorFile;
use crate::wanted::{FIRE_B1, FIRE_B2, FIRE_C, FIRE_INIT_L, FIRE_L_MULTIPLIER, FIRE_W1, FIRE_W2};

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
    let column = [width, 1];
    let sizes = &column[..file.rank(FIRE_W1)?.clamp(1, 2)];
    let fire = Fire {
        c: file.number(FIRE_C)?.unwrap_or(C),
        init_l: file.number(FIRE_INIT_L)?.unwrap_or(INIT_L),
        l_multiplier: file.number(FIRE_L_MULTIPLIER)?.unwrap_or(L_MULTIPLIER),
        w1: &file.floats(FIRE_W1, sizes)?,
        b1: &file.floats(FIRE_B1, &[width])?,
        w2: &file.floats(FIRE_W2, &[heads, width])?,
        b2: &file.floats(FIRE_B2, &[heads])?,
    };
    Ok(fire.table()?)
}
