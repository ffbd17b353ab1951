//! A problem whose tensors lie between poison, all that is read in one buffer and all that is written in another.

use std::num::NonZeroU64;

use relattn::cpu::Outputs;
use relattn::plan::{Bound, Forward, ForwardOperands, Operand};
use relattn::{Checks, Context, Dtype, Problem, Tensor, wgpu};

use crate::harness::adapters::shared;
use crate::harness::compare::{Reference, written};
use crate::harness::data::{Data, elements};
use crate::harness::device::{self, POISON, bits, number, packed, stored, words, words_of};

/// Words before and behind every tensor, so that each can be bound.
const APART: usize = 64;

/// Words of a tensor, and where they begin.
struct Place {
    tensor: Tensor,
    first: usize,
    words: usize,
}

/// Tensors in a buffer, poison around each.
struct Region {
    buffer: wgpu::Buffer,
    contents: Vec<u32>,
    places: Vec<Place>,
}

impl Region {
    fn new(context: &Context, tensors: Vec<(Tensor, Vec<u32>)>) -> Self {
        let mut contents = vec![POISON; APART];
        let mut places = Vec::new();
        for (tensor, words) in tensors {
            places.push(Place {
                tensor,
                first: contents.len(),
                words: words.len(),
            });
            contents.extend(words);
            let end = contents.len().next_multiple_of(APART) + APART;
            contents.resize(end, POISON);
        }
        let buffer = context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 4 * contents.len() as u64,
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let bytes: Vec<u8> = contents
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        context.queue().write_buffer(&buffer, 0, &bytes);
        Self {
            buffer,
            contents,
            places,
        }
    }

    fn operand(&self, tensor: Tensor) -> Option<Operand<'_>> {
        let place = self.places.iter().find(|place| place.tensor == tensor)?;
        Some(Operand {
            buffer: &self.buffer,
            offset: 4 * place.first as u64,
            size: NonZeroU64::new(4 * place.words as u64),
        })
    }

    /// The words of each tensor, if those around them are as they were.
    fn split(&self, found: &[u32]) -> Result<Vec<Vec<u32>>, String> {
        let mut rest = found.to_vec();
        let mut tensors = Vec::new();
        for place in &self.places {
            let own = place.first..place.first + place.words;
            tensors.push(found[own.clone()].to_vec());
            rest[own.clone()].copy_from_slice(&self.contents[own]);
        }
        match rest.iter().zip(&self.contents).position(|(a, b)| a != b) {
            Some(at) => Err(format!("word {at} is written, which is no tensor's")),
            None => Ok(tensors),
        }
    }
}

/// The tensors of a forward pass.
pub(crate) struct Arena {
    problem: Problem,
    read: Region,
    written: Region,
}

impl Arena {
    pub(crate) fn new(context: &Context, problem: &Problem, data: &Data) -> Self {
        let floats = |values: &Vec<f32>| bits(values);
        let dtype = problem.dtype();
        let read = [
            (Tensor::Q, Some(stored(dtype, &data.q))),
            (Tensor::K, Some(stored(dtype, &data.k))),
            (Tensor::V, Some(stored(dtype, &data.v))),
            (Tensor::Table, data.table.as_ref().map(floats)),
            (Tensor::Gate, data.gate.as_ref().map(floats)),
            (
                Tensor::Indices,
                data.indices.as_ref().map(|all| words(problem, all)),
            ),
            (Tensor::KeyMask, data.key_mask.as_deref().map(packed)),
            (Tensor::KeyLengths, data.key_lengths.clone()),
            (Tensor::QueryLengths, data.query_lengths.clone()),
            (Tensor::QueryDocuments, data.query_documents.clone()),
            (Tensor::KeyDocuments, data.key_documents.clone()),
            (Tensor::MaskBits, data.mask_bits.clone()),
            (Tensor::QueryStarts, data.query_starts.clone()),
            (Tensor::KeyStarts, data.key_starts.clone()),
            (Tensor::BlockTable, data.block_table.clone()),
        ];
        let read = read.into_iter();
        let read = read.filter_map(|(tensor, words)| Some((tensor, words?)));
        let poisoned = |tensor, dtype| {
            let words = words_of(dtype, elements(problem, tensor));
            (tensor, vec![POISON; words])
        };
        let written = vec![
            poisoned(Tensor::Out, dtype),
            poisoned(Tensor::Lse, Dtype::F32),
        ];
        Self {
            problem: problem.clone(),
            read: Region::new(context, read.collect()),
            written: Region::new(context, written),
        }
    }

    pub(crate) fn bind(&self, forward: &Forward) -> Bound {
        let read = |tensor| self.read.operand(tensor);
        let always = |tensor| read(tensor).expect("a tensor of every problem");
        let written = |tensor| self.written.operand(tensor).expect("an output");
        let operands = ForwardOperands {
            table: read(Tensor::Table),
            gate: read(Tensor::Gate),
            indices: read(Tensor::Indices),
            key_mask: read(Tensor::KeyMask),
            key_lengths: read(Tensor::KeyLengths),
            query_lengths: read(Tensor::QueryLengths),
            query_documents: read(Tensor::QueryDocuments),
            key_documents: read(Tensor::KeyDocuments),
            mask_bits: read(Tensor::MaskBits),
            query_starts: read(Tensor::QueryStarts),
            key_starts: read(Tensor::KeyStarts),
            block_table: read(Tensor::BlockTable),
            lse: Some(written(Tensor::Lse)),
            ..ForwardOperands::new(
                always(Tensor::Q),
                always(Tensor::K),
                always(Tensor::V),
                written(Tensor::Out),
            )
        };
        forward.bind(&operands).expect("bound")
    }

    /// What the pass writes, if that is all that changes.
    pub(crate) fn run(&self, context: &Context, bound: &Bound) -> Result<Outputs, String> {
        let descriptor = wgpu::CommandEncoderDescriptor::default();
        let mut encoder = context.device().create_command_encoder(&descriptor);
        bound.encode(&mut encoder);
        let buffers = [&self.read.buffer, &self.written.buffer];
        let [read, written] = device::read(context, encoder, buffers);
        self.read
            .split(&read)
            .map_err(|error| format!("inputs: {error}"))?;
        if read != self.read.contents {
            return Err("an input is written".into());
        }
        let tensors = self.written.split(&written)?;
        let dtype = self.problem.dtype();
        let out = device::elements(dtype, &tensors[0]);
        Ok(Outputs {
            out: out.iter().map(|&bits| number(dtype, bits)).collect(),
            lse: tensors[1]
                .iter()
                .map(|&word| f32::from_bits(word))
                .collect(),
        })
    }
}

/// Rows up to which a decoding kernel runs; the others compile for a minute with checks, so that they run without.
const FEW_ROWS: u32 = 16;

/// On every device, without checks and, of few rows, with all: the results, which have the same bits.
pub(crate) fn on_every_device(
    problem: &Problem,
    data: &Data,
    mut check: impl FnMut(&str, &Outputs),
) {
    let mut ran = 0;
    let written = written(problem);
    for (name, context) in shared().iter() {
        if let Err(error) = context.forward(problem) {
            println!("{name}: unsupported: {error}");
            continue;
        }
        let run = |checks: Checks| {
            let context = context.clone().with_checks(checks);
            let forward = context.forward(problem).expect("a kernel");
            let arena = Arena::new(&context, problem, data);
            let found = arena.run(&context, &arena.bind(&forward));
            found.unwrap_or_else(|error| panic!("{name}, {checks:?}: {error}"))
        };
        let trusted = run(Checks::None);
        let gaps = written.iter().zip(&trusted.out).filter(|(own, _)| !**own);
        for (_, value) in gaps {
            assert_eq!(value.to_bits(), POISON, "{name}: a gap of the output");
        }
        if problem.shape().q_len <= FEW_ROWS {
            let checked = run(Checks::All);
            assert_eq!(bits(&trusted.out), bits(&checked.out), "{name}: out");
            assert_eq!(bits(&trusted.lse), bits(&checked.lse), "{name}: lse");
        }
        check(name, &trusted);
        ran += 1;
    }
    assert!(ran > 0, "no device runs the problem");
}

/// As the oracle has it for numbers that tell the truth.
pub(crate) fn equals_the_truth(problem: &Problem, lies: &Data, truth: &Data) {
    let reference = Reference::new(problem, &truth.inputs());
    on_every_device(problem, lies, |name, found| {
        reference
            .check(found)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    });
}
