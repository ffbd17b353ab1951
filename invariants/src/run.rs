//! Small problems on the CPU, with inputs that may lie.

use arbitrary::{Arbitrary, Unstructured};
use relattn::cpu::{Attention, AttentionGradient, Inputs, Oracle, Outputs, Tiled};
use relattn::{InputError, Problem, Tensor};
use relattn_conformance::data::{Data, values};

use crate::numbers::{Number, Rare};
use crate::problem::TENSORS;
use crate::tolerance::Tolerance;

/// Elements of a tensor of a small problem, and its scores.
const SMALL: u64 = 1 << 11;

/// What is wrong with the inputs: numbers that point anywhere, and tensors that are cut short, missing or not asked for.
#[derive(Arbitrary, Debug)]
struct Lies {
    seed: u8,
    indices: Rare<Vec<Number>>,
    lengths: Rare<[Number; 3]>,
    starts: Rare<[Number; 3]>,
    blocks: Rare<[Number; 3]>,
    numbers: Rare<[f32; 2]>,
    cut: Rare<u8>,
}

/// Whether a problem is computed within a millisecond or so.
pub(crate) fn is_small(problem: &Problem) -> bool {
    let shape = problem.shape();
    let scores = (shape.rows() as u64).saturating_mul(shape.k_len.into());
    scores <= SMALL
        && TENSORS
            .iter()
            .all(|&tensor| problem.elements(tensor) <= SMALL)
}

/// The fast form and the definition refuse the same inputs, and agree on the others.
pub(crate) fn check(problem: &Problem, unstructured: &mut Unstructured<'_>) {
    let Ok(lies) = Lies::arbitrary(unstructured) else {
        return;
    };
    let mut data = Data::generate(problem, lies.seed.into());
    lies.spoil(&mut data);
    let inputs = data.inputs();
    let exact = Oracle.exact(problem, &inputs);
    let found = Tiled.forward(problem, &inputs);
    match (exact, found) {
        (Ok(exact), Ok(found)) => {
            if lies.numbers.0.is_none() {
                Tolerance::of(problem).check(&exact, &found);
            }
            check_gradients(problem, &inputs, &found);
        }
        (exact, found) => {
            let refused = exact.expect_err("refused by the definition too");
            assert_eq!(found.err(), Some(refused.clone()));
            assert!(!refused.to_string().is_empty());
        }
    }
}

/// They are as long as what they belong to, or refused for a paged cache.
fn check_gradients(problem: &Problem, inputs: &Inputs<'_>, outputs: &Outputs) {
    let dout = values(outputs.out.len(), 9);
    match Tiled.backward(problem, inputs, outputs, &dout) {
        Ok(gradients) => {
            let found =
                [&gradients.dq, &gradients.dk, &gradients.dv].map(|tensor| tensor.len() as u64);
            let expected = [Tensor::Q, Tensor::K, Tensor::V].map(|tensor| problem.elements(tensor));
            assert_eq!(found, expected);
            let dtable = gradients.dtable.map_or(0, |dtable| dtable.len() as u64);
            assert_eq!(dtable, problem.elements(Tensor::Table));
        }
        Err(InputError::NoBackward { .. }) => assert!(problem.paged().is_some()),
        Err(error) => panic!("{error}"),
    }
}

impl Lies {
    fn spoil(&self, data: &mut Data) {
        if let Some(indices) = &self.indices.0 {
            spoil(&mut data.indices, indices);
        }
        if let Some(lengths) = &self.lengths.0 {
            spoil(&mut data.key_lengths, lengths);
            spoil(&mut data.query_lengths, lengths);
            spoil(&mut data.key_documents, lengths);
        }
        if let Some(starts) = &self.starts.0 {
            spoil(&mut data.key_starts, &starts[..2]);
            spoil(&mut data.query_starts, starts);
        }
        if let Some(blocks) = &self.blocks.0 {
            spoil(&mut data.block_table, blocks);
        }
        if let Some(numbers) = &self.numbers.0 {
            for tensor in [&mut data.q, &mut data.k, &mut data.v] {
                write(tensor, numbers);
            }
        }
        match self.cut.0.unwrap_or(u8::MAX) {
            0 => drop(data.k.pop()),
            1 => data.q.push(1.0),
            2 => drop(data.v.pop()),
            3 => data.table = None,
            4 => data.gate = Some(vec![1.0; 4]),
            5 => data.key_lengths = Some(vec![0]),
            6 => data.mask_bits = None,
            7 => data.block_table = Some(Vec::new()),
            _ => {}
        }
    }
}

fn spoil(tensor: &mut Option<Vec<u32>>, numbers: &[Number]) {
    let numbers: Vec<u32> = numbers.iter().map(|number| number.0).collect();
    if let Some(tensor) = tensor {
        write(tensor, &numbers);
    }
}

/// Puts numbers at the beginning of a tensor.
fn write<T: Copy>(tensor: &mut [T], numbers: &[T]) {
    for (place, &number) in tensor.iter_mut().zip(numbers) {
        *place = number;
    }
}
