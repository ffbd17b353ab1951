//! Tensors `[B or 1, H or 1, Nq, Nk]`, whose size of 1 shares a plane over the batch or the heads.

use relattn::Shape;

use crate::fault::Fault;
use crate::tensors::TensorFile;
use crate::wanted::Wanted;

/// For what such a tensor has a plane of its own, and the sizes that this asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes {
    pub(crate) each_sequence: bool,
    pub(crate) each_head: bool,
    pub(crate) sizes: [u32; 4],
}

impl Planes {
    pub(crate) fn of(file: &TensorFile<'_>, wanted: Wanted, shape: &Shape) -> Result<Self, Fault> {
        let [batch, heads, ..] = file.sizes::<4>(wanted)?;
        let each_sequence = batch == shape.batch && batch != 1;
        let each_head = heads == shape.heads && heads != 1;
        let size = |each: bool, size: u32| if each { size } else { 1 };
        Ok(Self {
            each_sequence,
            each_head,
            sizes: [
                size(each_sequence, shape.batch),
                size(each_head, shape.heads),
                shape.q_len,
                shape.k_len,
            ],
        })
    }
}
