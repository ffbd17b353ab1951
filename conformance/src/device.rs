//! A pass over buffers that are placed to catch what a kernel should not do.

use half::{bf16, f16};
use relattn::cpu::Outputs;
use relattn::plan::{Forward, Operand};
use relattn::{Bias, Context, Dtype, Problem, wgpu};
use wgpu::util::DeviceExt;

use super::data::Data;
use super::placed::Placed;

/// What every output and every guard is filled with: a NaN that no arithmetic makes.
pub const POISON: u32 = 0x7fc0_dead;
/// Bytes before a tensor, so that every tensor is bound at an offset.
pub const LEAD: u64 = 4 * LEAD_WORDS as u64;
const LEAD_WORDS: usize = 64;
/// Guard words behind a tensor.
const GUARDS: usize = 8;

/// Keys of a part of a decoding step. So few that also devices which would take them all at once have parts to merge.
const PART: u32 = 512;

/// Runs a pass twice and returns its result, a decoding step in parts.
///
/// Every tensor lies between guard words, and outputs are poisoned; a guard or a gap that changed, or two runs that
/// differ in a bit, are an error.
pub fn run(
    context: &Context,
    forward: &Forward,
    problem: &Problem,
    data: &Data,
) -> Result<Outputs, String> {
    let parts = problem.shape().k_len.div_ceil(PART);
    let forward = forward.clone().with_splits(parts);
    let first = run_once(context, &forward, problem, data)?;
    let second = run_once(context, &forward, problem, data)?;
    if bits(&first.out) != bits(&second.out) || bits(&first.lse) != bits(&second.lse) {
        return Err("two runs differ".into());
    }
    Ok(first)
}

/// The bits of each f32.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Runs a pass once over fresh buffers.
pub fn run_once(
    context: &Context,
    forward: &Forward,
    problem: &Problem,
    data: &Data,
) -> Result<Outputs, String> {
    let placed = Placed::new(context, problem, data);
    let bound = placed.bind(forward).map_err(|error| error.to_string())?;
    placed.run(context, &bound)
}

/// The tensor in the words of a buffer that [`placed`] made, if those around it are whole.
pub fn unguarded(words: &[u32], count: usize) -> Result<&[u32], String> {
    let (lead, rest) = words.split_at(LEAD_WORDS);
    let (values, guards) = rest.split_at(count);
    for (place, guards) in [("before", lead), ("behind", guards)] {
        if guards.iter().any(|&guard| guard != POISON) {
            return Err(format!("the pass wrote {place} an output"));
        }
    }
    Ok(values)
}

/// Words that numbers of a type take.
pub fn words_of(dtype: Dtype, numbers: usize) -> usize {
    match dtype {
        Dtype::F32 => numbers,
        Dtype::F16 | Dtype::Bf16 => numbers.div_ceil(2),
    }
}

/// Numbers as they lie in memory.
pub fn stored(dtype: Dtype, values: &[f32]) -> Vec<u32> {
    let halves = |bits: fn(f32) -> u16| {
        let pairs = values.chunks(2);
        pairs
            .map(|pair| {
                let high = pair.get(1).map_or(0, |&value| bits(value));
                u32::from(bits(pair[0])) | u32::from(high) << 16
            })
            .collect()
    };
    match dtype {
        Dtype::F32 => bits(values),
        Dtype::F16 => halves(|value| f16::from_f32(value).to_bits()),
        Dtype::Bf16 => halves(|value| bf16::from_f32(value).to_bits()),
    }
}

/// The bits of each number.
pub fn elements(dtype: Dtype, words: &[u32]) -> Vec<u32> {
    match dtype {
        Dtype::F32 => words.to_vec(),
        Dtype::F16 | Dtype::Bf16 => words
            .iter()
            .flat_map(|word| [word & 0xffff, word >> 16])
            .collect(),
    }
}

/// The number with these bits.
pub fn number(dtype: Dtype, bits: u32) -> f32 {
    let half = || u16::try_from(bits).expect("half a word");
    match dtype {
        Dtype::F32 => f32::from_bits(bits),
        Dtype::F16 => f16::from_bits(half()).to_f32(),
        Dtype::Bf16 => bf16::from_bits(half()).to_f32(),
    }
}

/// A buffer with poison before and behind these words.
pub fn placed(context: &Context, words: &[u32]) -> wgpu::Buffer {
    let poison = std::iter::repeat_n(POISON, LEAD_WORDS);
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
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST,
        })
}

/// The tensor in a buffer that [`placed`] made.
pub fn operand(buffer: &wgpu::Buffer) -> Operand<'_> {
    Operand {
        buffer,
        offset: LEAD,
        size: None,
    }
}

/// Indices in the format of the problem's bias.
pub fn words(problem: &Problem, indices: &[u32]) -> Vec<u32> {
    let format = problem.biases().find_map(|bias| match bias {
        Bias::Indexed { format, .. } => Some(format),
        _ => None,
    });
    let format = format.expect("a bias with indices");
    let bits = 32 / format.per_word();
    let words = indices.chunks(format.per_word() as usize);
    words
        .map(|word| {
            let placed = (0..).step_by(bits as usize).zip(word);
            placed.fold(0, |word, (shift, &index)| word | index << shift)
        })
        .collect()
}

/// Bytes in words, the first lowest.
pub fn packed(bytes: &[u8]) -> Vec<u32> {
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

/// Puts words where the tensor of a buffer that [`placed`] made lies, from the next submission on.
pub fn replace(context: &Context, buffer: &wgpu::Buffer, words: &[u32]) {
    let bytes: Vec<u8> = words.iter().copied().flat_map(u32::to_le_bytes).collect();
    context.queue().write_buffer(buffer, LEAD, &bytes);
}

/// Submits, and reads each buffer.
pub fn read<const N: usize>(
    context: &Context,
    mut encoder: wgpu::CommandEncoder,
    buffers: [&wgpu::Buffer; N],
) -> [Vec<u32>; N] {
    let staging = buffers.map(|buffer| {
        let staging = context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, staging.size());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_on_either_side_of_a_tensor_is_noticed() {
        let tensor = LEAD_WORDS..LEAD_WORDS + 3;
        for at in 0..tensor.end + GUARDS {
            let mut words = vec![POISON; tensor.end + GUARDS];
            words[at] = 0;
            let found = unguarded(&words, 3);
            assert_eq!(found.is_ok(), tensor.contains(&at), "{at}: {found:?}");
        }
    }
}
