//! The gradients as a file has them: one tensor for each that was read.

use std::ops::Range;

use relattn::cpu::Gradients;
use relattn::{Bias, Problem};

use crate::family::Family;
use crate::fault::Fault;
use crate::output::Written;
use crate::planes::Planes;
use crate::tensors::TensorFile;
use crate::wanted::{BIAS, DCTX, Wanted};

/// What a backward pass reads beside the inputs, and where its gradients belong.
#[derive(Debug)]
pub(crate) struct Backward {
    pub(crate) dctx: Vec<f32>,
    slots: Vec<Slot>,
    /// The sizes of the dense bias, where there is one.
    dense: Option<[u32; 4]>,
}

/// A tensor of a file whose numbers are rows of the table of the biases.
#[derive(Debug)]
pub(crate) struct Slot {
    tensor: Wanted,
    sizes: Vec<u32>,
    rows: Range<u32>,
    form: Form,
}

/// How a tensor's numbers lie in its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// As they are, `[rows, H]`.
    Rows,
    /// As columns: the tensor is `[H, rows]`.
    Columns,
    /// A number for each row, which all heads share, times this factor.
    Shared { factor: f64 },
}

impl Slot {
    pub(crate) const fn new(tensor: Wanted, sizes: Vec<u32>, rows: Range<u32>, form: Form) -> Self {
        Self {
            tensor,
            sizes,
            rows,
            form,
        }
    }

    /// The same in a table whose rows begin this much later.
    pub(crate) fn behind(self, first: u32) -> Self {
        let rows = first + self.rows.start..first + self.rows.end;
        Self { rows, ..self }
    }

    /// The gradient of the tensor, from that of the table of the sum.
    fn gradient(&self, dtable: &[f32], heads: u32) -> Written {
        let heads = heads as usize;
        let [first, last] = [self.rows.start, self.rows.end].map(|row| row as usize * heads);
        let table = &dtable[first..last];
        let values = match self.form {
            Form::Rows => table.to_vec(),
            Form::Columns => (0..heads)
                .flat_map(|head| table.iter().skip(head).step_by(heads).copied())
                .collect(),
            Form::Shared { factor } => (0..self.rows.len())
                .map(|row| shared(factor, &table[row * heads..][..heads]))
                .collect(),
        };
        Written::gradient(self.tensor, &self.sizes, values)
    }
}

/// The gradient of a number that is in the table of every head, times a factor.
fn shared(factor: f64, of_heads: &[f32]) -> f32 {
    let sum: f64 = of_heads.iter().map(|&value| f64::from(value)).sum();
    #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
    let rounded = (factor * sum) as f32;
    rounded
}

impl Backward {
    pub(crate) fn load(
        file: &TensorFile<'_>,
        family: &Family<'_>,
        biases: &[Bias],
        problem: &Problem,
    ) -> Result<Self, Fault> {
        let shape = problem.shape();
        let sizes = [shape.batch, shape.heads, shape.q_len, problem.value_dim()];
        let dense = biases.iter().any(|bias| matches!(bias, Bias::Dense(_)));
        let planes = dense.then(|| Planes::of(file, BIAS, shape)).transpose()?;
        Ok(Self {
            dctx: file.floats(DCTX, &sizes)?,
            slots: family.slots(biases)?,
            dense: planes.map(|planes| planes.sizes),
        })
    }

    /// The gradients of all that the problem has.
    pub(crate) fn tensors(&self, problem: &Problem, gradients: Gradients) -> Vec<Written> {
        let shape = problem.shape();
        let (batch, heads, q_len) = (shape.batch, shape.heads, shape.q_len);
        let keys = [batch, shape.kv_heads, shape.k_len];
        let of_keys = |features| [&keys[..], &[features]].concat();
        let mut tensors = vec![
            Written::new("dq", &[batch, heads, q_len, shape.head_dim], gradients.dq),
            Written::new("dk", &of_keys(shape.head_dim), gradients.dk),
            Written::new("dv", &of_keys(problem.value_dim()), gradients.dv),
        ];
        if let Some(dtable) = &gradients.dtable {
            let slots = self.slots.iter();
            tensors.extend(slots.map(|slot| slot.gradient(dtable, heads)));
        }
        if let Some(dgate) = gradients.dgate {
            tensors.push(Written::new("dgate", &[batch, heads, q_len], dgate));
        }
        if let (Some(sizes), Some(dbias)) = (self.dense, gradients.dbias) {
            tensors.push(Written::gradient(BIAS, &sizes, dbias));
        }
        tensors
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, Slot};
    use crate::wanted::TABLE;

    #[test]
    fn rows_columns_and_sums() {
        let dtable = [9.0, 9.0, 1.0, 2.0, 3.0, 4.0];
        for (form, expected) in [
            (Form::Rows, &[1.0, 2.0, 3.0, 4.0][..]),
            (Form::Columns, &[1.0, 3.0, 2.0, 4.0]),
            (Form::Shared { factor: 0.5 }, &[1.5, 3.5]),
        ] {
            let slot = Slot::new(TABLE, Vec::new(), 0..2, form).behind(1);
            let written = slot.gradient(&dtable, 2);
            assert_eq!((&*written.name, &*written.values), ("dtable", expected));
        }
        let none = Slot::new(TABLE, Vec::new(), 0..3, Form::Shared { factor: 1.0 });
        assert_eq!(none.gradient(&[], 0).values, [0.0; 3]);
    }
}
