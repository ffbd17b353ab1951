//! A forward and a backward pass over buffers that are placed to catch what a kernel should not do.

use relattn::cpu::Gradients;
use relattn::plan::{Backward, BackwardOperands, Bound};
use relattn::{Context, Problem, Tensor, wgpu};

use super::data::{Data, values};
use super::device::{
    POISON, bits, elements, number, operand, placed, read, replace, stored, unguarded,
};
use super::placed::{Placed, numbers, poison};

/// Everything that a pass writes, in the order of [`Gradients`].
const WRITTEN: [Tensor; 6] = [
    Tensor::DQ,
    Tensor::DK,
    Tensor::DV,
    Tensor::DTable,
    Tensor::DGate,
    Tensor::DBias,
];
/// Those of them that a pass may add to.
const ADDED: [Tensor; 3] = [Tensor::DTable, Tensor::DGate, Tensor::DBias];

/// The gradient of the output that a case has, rounded to the type of the problem.
pub fn dout(problem: &Problem, seed: u32) -> Vec<f32> {
    let values = values(super::elements(problem, Tensor::DOut), seed);
    let dtype = problem.dtype();
    let words = stored(dtype, &values);
    let mut rounded = elements(dtype, &words);
    rounded.truncate(values.len());
    rounded
        .into_iter()
        .map(|bits| number(dtype, bits))
        .collect()
}

/// The buffers of a backward pass, with guards around each tensor.
#[derive(Debug)]
pub struct PlacedBackward {
    problem: Problem,
    /// The tensors of the forward pass.
    pub forward: Placed,
    dout: wgpu::Buffer,
    written: Vec<(Tensor, wgpu::Buffer)>,
    workspace: wgpu::Buffer,
    workspace_words: usize,
}

impl PlacedBackward {
    /// Uploads the data, and poisons what is written.
    pub fn new(
        context: &Context,
        backward: &Backward,
        problem: &Problem,
        data: &Data,
        dout: &[f32],
    ) -> Self {
        let words = usize::try_from(backward.workspace_bytes() / 4).expect("a small workspace");
        let has = |tensor: &Tensor| {
            super::elements(problem, *tensor) > 0 || WRITTEN[..3].contains(tensor)
        };
        let written = WRITTEN.into_iter().filter(has);
        Self {
            problem: problem.clone(),
            forward: Placed::new(context, problem, data),
            dout: placed(context, &stored(problem.dtype(), dout)),
            written: written
                .map(|tensor| (tensor, placed(context, &poison(problem, tensor))))
                .collect(),
            workspace: placed(context, &vec![POISON; words]),
            workspace_words: words,
        }
    }

    /// Checks and binds every tensor.
    pub fn bind(&self, backward: &Backward) -> Result<Bound, relattn::Error> {
        self.bind_with(backward, false)
    }

    /// As [`Self::bind`], adding to the gradients that are there or not.
    pub fn bind_with(
        &self,
        backward: &Backward,
        accumulate: bool,
    ) -> Result<Bound, relattn::Error> {
        backward.bind(&self.operands(accumulate))
    }

    /// Every tensor.
    pub fn operands(&self, accumulate: bool) -> BackwardOperands<'_> {
        let given = |tensor| self.find(tensor).map(operand);
        let always = |tensor| given(tensor).expect("a gradient of every problem");
        BackwardOperands {
            forward: self.forward.operands(),
            dout: operand(&self.dout),
            dq: always(Tensor::DQ),
            dk: always(Tensor::DK),
            dv: always(Tensor::DV),
            dtable: given(Tensor::DTable),
            dgate: given(Tensor::DGate),
            dbias: given(Tensor::DBias),
            accumulate,
            workspace: operand(&self.workspace),
        }
    }

    fn find(&self, tensor: Tensor) -> Option<&wgpu::Buffer> {
        let mut written = self.written.iter();
        let (_, buffer) = written.find(|(found, _)| *found == tensor)?;
        Some(buffer)
    }

    /// Runs both passes once over poison, and reads what they wrote; a guard or a gap that changed is an error.
    pub fn run(
        &self,
        context: &Context,
        forward: &Bound,
        backward: &Bound,
    ) -> Result<Gradients, String> {
        for tensor in ADDED {
            self.poison(context, tensor);
        }
        self.run_adding(context, forward, backward)
    }

    /// As [`Self::run`], with the sums of an earlier run left where they are.
    pub fn run_adding(
        &self,
        context: &Context,
        forward: &Bound,
        backward: &Bound,
    ) -> Result<Gradients, String> {
        self.forward.poison(context);
        for tensor in [Tensor::DQ, Tensor::DK, Tensor::DV] {
            self.poison(context, tensor);
        }
        replace(
            context,
            &self.workspace,
            &vec![POISON; self.workspace_words],
        );
        let descriptor = wgpu::CommandEncoderDescriptor::default();
        let mut encoder = context.device().create_command_encoder(&descriptor);
        forward.encode(&mut encoder);
        backward.encode(&mut encoder);
        let [workspace] = read(context, encoder, [&self.workspace]);
        unguarded(&workspace, self.workspace_words)?;
        let always = |tensor| {
            self.numbers(context, tensor)
                .expect("a gradient of every problem")
        };
        let optional = |tensor| self.numbers(context, tensor).transpose();
        Ok(Gradients {
            dq: always(Tensor::DQ)?,
            dk: always(Tensor::DK)?,
            dv: always(Tensor::DV)?,
            dtable: optional(Tensor::DTable)?,
            dgate: optional(Tensor::DGate)?,
            dbias: optional(Tensor::DBias)?,
        })
    }

    fn poison(&self, context: &Context, tensor: Tensor) {
        if let Some(buffer) = self.find(tensor) {
            replace(context, buffer, &poison(&self.problem, tensor));
        }
    }

    fn numbers(&self, context: &Context, tensor: Tensor) -> Option<Result<Vec<f32>, String>> {
        let buffer = self.find(tensor)?;
        let descriptor = wgpu::CommandEncoderDescriptor::default();
        let encoder = context.device().create_command_encoder(&descriptor);
        let [words] = read(context, encoder, [buffer]);
        Some(numbers(&self.problem, tensor, &words))
    }
}

/// Runs both passes twice over fresh buffers and returns the gradients; two runs that differ in a bit are an error.
pub fn run(
    context: &Context,
    backward: &Backward,
    problem: &Problem,
    data: &Data,
    dout: &[f32],
) -> Result<Gradients, String> {
    let forward = context
        .forward(problem)
        .map_err(|error| error.to_string())?;
    let once = || {
        let placed = PlacedBackward::new(context, backward, problem, data, dout);
        let first = placed
            .forward
            .bind(&forward)
            .map_err(|error| error.to_string())?;
        let second = placed.bind(backward).map_err(|error| error.to_string())?;
        placed.run(context, &first, &second)
    };
    let (first, second) = (once()?, once()?);
    if all_bits(&first) != all_bits(&second) {
        return Err("two runs differ".into());
    }
    Ok(first)
}

/// The bits of all gradients.
pub fn all_bits(gradients: &Gradients) -> Vec<Vec<u32>> {
    let optional = [&gradients.dtable, &gradients.dgate, &gradients.dbias];
    [&gradients.dq, &gradients.dk, &gradients.dv]
        .into_iter()
        .chain(optional.into_iter().flatten())
        .map(|values| bits(values))
        .collect()
}
