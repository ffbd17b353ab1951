//! A pass over buffers that are placed to catch what a kernel should not do.

use relattn::cpu::Outputs;
use relattn::plan::{Forward, ForwardOperands, Operand};
use relattn::{Bias, Context, IndexFormat, Problem, Tensor, wgpu};
use wgpu::util::DeviceExt;

use super::compare::written;
use super::data::Data;

/// What every output and every guard is filled with: a NaN that no arithmetic makes.
const POISON: u32 = 0x7fc0_dead;
/// Bytes before a tensor, so that every tensor is bound at an offset.
const LEAD: u64 = 256;
/// Guard words behind a tensor.
const GUARDS: usize = 8;

/// Runs a pass twice and returns its result.
///
/// Every tensor lies between guard words, and outputs are poisoned; a guard or a gap that changed, or two runs that
/// differ in a bit, are an error.
pub(crate) fn run(
    context: &Context,
    forward: &Forward,
    problem: &Problem,
    data: &Data,
) -> Result<Outputs, String> {
    let first = run_once(context, forward, problem, data)?;
    let second = run_once(context, forward, problem, data)?;
    if bits(&first.out) != bits(&second.out) || bits(&first.lse) != bits(&second.lse) {
        return Err("two runs differ".into());
    }
    Ok(first)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn run_once(
    context: &Context,
    forward: &Forward,
    problem: &Problem,
    data: &Data,
) -> Result<Outputs, String> {
    let floats = |values: &[f32]| placed(context, &bits(values));
    let (q, k, v) = (floats(&data.q), floats(&data.k), floats(&data.v));
    let table = data.table.as_deref().map(floats);
    let indices = data
        .indices
        .as_deref()
        .map(|indices| placed(context, &words(problem, indices)));
    let bias = data.bias.as_deref().map(floats);
    let key_lengths = data
        .key_lengths
        .as_deref()
        .map(|lengths| placed(context, lengths));
    let key_mask = data
        .key_mask
        .as_deref()
        .map(|mask| placed(context, &packed(mask)));
    let poisoned = |tensor| placed(context, &vec![POISON; super::elements(problem, tensor)]);
    let (out, lse) = (poisoned(Tensor::Out), poisoned(Tensor::Lse));
    let bound = forward
        .bind(&ForwardOperands {
            q: operand(&q),
            k: operand(&k),
            v: operand(&v),
            table: table.as_ref().map(operand),
            indices: indices.as_ref().map(operand),
            bias: bias.as_ref().map(operand),
            key_mask: key_mask.as_ref().map(operand),
            key_lengths: key_lengths.as_ref().map(operand),
            out: operand(&out),
            lse: Some(operand(&lse)),
        })
        .map_err(|error| error.to_string())?;
    let descriptor = wgpu::CommandEncoderDescriptor::default();
    let mut encoder = context.device().create_command_encoder(&descriptor);
    bound.encode(&mut encoder);
    let [out, lse] = read(context, encoder, [&out, &lse]);
    let gaps = written(problem);
    if out
        .iter()
        .zip(&gaps)
        .any(|(&word, &written)| !written && word != POISON)
    {
        return Err("the pass wrote into a gap of the output".into());
    }
    Ok(Outputs {
        out: unguarded(&out, gaps.len())?,
        lse: unguarded(&lse, super::elements(problem, Tensor::Lse))?,
    })
}

/// The tensor without its guards, if they are whole and no poison is left in what had to be written.
fn unguarded(words: &[u32], elements: usize) -> Result<Vec<f32>, String> {
    let (values, guards) = words.split_at(elements);
    if guards.iter().any(|&guard| guard != POISON) {
        return Err("the pass wrote behind an output".into());
    }
    Ok(values.iter().map(|&word| f32::from_bits(word)).collect())
}

/// A buffer with poison before and behind these words.
fn placed(context: &Context, words: &[u32]) -> wgpu::Buffer {
    let lead = usize::try_from(LEAD / 4).expect("a small number");
    let poison = std::iter::repeat_n(POISON, lead);
    let guards = std::iter::repeat_n(POISON, GUARDS);
    let contents: Vec<u8> = poison
        .chain(words.iter().copied())
        .chain(guards)
        .flat_map(u32::to_le_bytes)
        .collect();
    context
        .device()
        .create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: &contents,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        })
}

fn operand(buffer: &wgpu::Buffer) -> Operand<'_> {
    Operand {
        buffer,
        offset: LEAD,
        size: None,
    }
}

/// Indices in the format of the problem's bias.
fn words(problem: &Problem, indices: &[u32]) -> Vec<u32> {
    match problem.bias() {
        Bias::Indexed {
            format: IndexFormat::U8,
            ..
        } => packed(
            &indices
                .iter()
                .map(|&index| u8::try_from(index).expect("a byte"))
                .collect::<Vec<_>>(),
        ),
        _ => indices.to_vec(),
    }
}

/// Bytes in words, the first lowest.
fn packed(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks(4)
        .map(|chunk| {
            chunk
                .iter()
                .rev()
                .fold(0, |word, &byte| word << 8 | u32::from(byte))
        })
        .collect()
}

/// Submits, and reads what lies behind the lead of each buffer.
fn read(
    context: &Context,
    mut encoder: wgpu::CommandEncoder,
    buffers: [&wgpu::Buffer; 2],
) -> [Vec<u32>; 2] {
    let staging = buffers.map(|buffer| {
        let staging = context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffer.size() - LEAD,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(buffer, LEAD, &staging, 0, staging.size());
        staging
    });
    context.queue().submit([encoder.finish()]);
    for buffer in &staging {
        buffer.slice(..).map_async(wgpu::MapMode::Read, |_| ());
    }
    context
        .device()
        .poll(wgpu::PollType::wait_indefinitely())
        .expect("a device");
    staging.map(|buffer| {
        let mapped = buffer.slice(..).get_mapped_range().expect("mapped");
        mapped
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
            .collect()
    })
}
