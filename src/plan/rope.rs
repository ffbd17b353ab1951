//! Rotary position embedding as an operation of its own.

use bytemuck::{Pod, Zeroable};
use wgpu::BufferBinding;

use super::Operand;
use super::bound::{Bound, Step, entry, storage, uniform};
use super::check::{Slot, check, check_aliases, check_size, spread};
use crate::watch::watched;
use crate::{Dtype, Error, Layout, Pairing, ProblemError, Rotation, Tensor};

/// A compiled rotation, from one tensor to another and in place.
#[derive(Clone, Debug)]
pub struct RotaryEmbedding {
    pub(crate) device: wgpu::Device,
    pub(crate) rotation: Rotation,
    pub(crate) pipeline: Result<wgpu::ComputePipeline, Error>,
    pub(crate) in_place_pipeline: Result<wgpu::ComputePipeline, Error>,
}

/// The buffers of a rotation, in the rotation's dtype and layouts.
#[derive(Clone, Debug)]
pub struct RopeOperands<'a> {
    /// `[B, H, N, D]`.
    pub input: Operand<'a>,
    /// `[B, H, N, D]`, written, in another buffer.
    pub output: Operand<'a>,
}

/// What is fixed when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RopeVariant {
    pub(crate) dtype: Dtype,
    pub(crate) pairing: Pairing,
    pub(crate) in_place: bool,
}

impl RotaryEmbedding {
    /// The rotation.
    #[must_use]
    pub const fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// Checks the buffers and binds them; records and submits nothing. Allocates the frequencies, 8 bytes a pair.
    ///
    /// # Errors
    /// A buffer that is too small, misaligned, past the device's limits, without `STORAGE` or shared by input and output;
    /// a device that is out of memory or lost.
    pub fn bind(&self, operands: &RopeOperands<'_>) -> Result<Bound, Error> {
        let (input, output) = (self.rotation.input(), self.rotation.output());
        let variant = RopeVariant::of(&self.rotation, false);
        let slots = [
            self.slot(2, Tensor::RopeInput, &operands.input, input),
            self.slot(3, Tensor::Out, &operands.output, output),
        ];
        self.bind_slots(variant, &self.pipeline, &slots)
    }

    /// Checks the buffer and binds it, to be rotated where it lies; records and submits nothing. Allocates the
    /// frequencies, 8 bytes a pair.
    ///
    /// # Errors
    /// Two layouts that differ; a buffer that is too small, misaligned, past the device's limits or without `STORAGE`; a
    /// device that is out of memory or lost.
    pub fn bind_in_place(&self, tensor: &Operand<'_>) -> Result<Bound, Error> {
        let (input, output) = (self.rotation.input(), self.rotation.output());
        if input != output {
            return Err(ProblemError::InPlaceLayouts { input, output }.into());
        }
        let variant = RopeVariant::of(&self.rotation, true);
        let slots = [self.slot(3, Tensor::Out, tensor, output)];
        self.bind_slots(variant, &self.in_place_pipeline, &slots)
    }

    fn slot<'a>(
        &self,
        number: u32,
        tensor: Tensor,
        operand: &Operand<'a>,
        layout: Layout,
    ) -> Slot<'a> {
        let bytes = self.rotation.dtype().bytes() * self.rotation.elements(layout);
        (number, tensor, operand.clone(), bytes)
    }

    fn bind_slots(
        &self,
        variant: RopeVariant,
        pipeline: &Result<wgpu::ComputePipeline, Error>,
        slots: &[Slot<'_>],
    ) -> Result<Bound, Error> {
        for (_, tensor, binding, bytes) in slots {
            check(&self.device, *tensor, binding, *bytes)?;
            check_size(&self.device, *tensor, *bytes)?;
        }
        check_aliases(slots, &[Tensor::Out, Tensor::Lse])?;
        let params = RopeParams::new(&self.rotation, variant);
        let groups = u64::from(params.count).div_ceil(64);
        if groups == 0 {
            return Ok(Bound::new(Vec::new()));
        }
        let workgroups = spread(&self.device, groups)?;
        let params = RopeParams {
            groups: workgroups[0],
            ..params
        };
        watched(&self.device, || {
            self.record(pipeline, &params, slots, workgroups)
        })
    }

    fn record(
        &self,
        pipeline: &Result<wgpu::ComputePipeline, Error>,
        params: &RopeParams,
        slots: &[Slot<'_>],
        workgroups: [u32; 3],
    ) -> Result<Bound, Error> {
        let pipeline = pipeline.as_ref().map_err(Clone::clone)?;
        let params = uniform(&self.device, bytemuck::bytes_of(params))?;
        let turns = storage(&self.device, &words(&self.rotation.rope().turns()))?;
        let mut entries = vec![
            entry(0, params.as_entire_buffer_binding()),
            entry(1, turns.as_entire_buffer_binding()),
        ];
        entries.extend(slots.iter().map(|(number, _, binding, bytes)| {
            let size = std::num::NonZeroU64::new(*bytes);
            let binding = binding.clone();
            entry(*number, BufferBinding { size, ..binding })
        }));
        let step = Step::new(&self.device, pipeline, &entries, workgroups);
        Ok(Bound::new(vec![step]))
    }
}

/// Each number in two words, the upper one first.
fn words(numbers: &[u64]) -> Vec<u32> {
    #[expect(clippy::cast_possible_truncation, reason = "halves are the purpose")]
    let halves = |&number: &u64| [(number >> 32) as u32, number as u32];
    numbers.iter().flat_map(halves).collect()
}

impl RopeVariant {
    pub(crate) const fn of(rotation: &Rotation, in_place: bool) -> Self {
        Self {
            dtype: rotation.dtype(),
            pairing: rotation.rope().pairing,
            in_place,
        }
    }

    const fn packed(self) -> bool {
        self.dtype.bytes() == 2
    }

    /// Numbers in a word.
    const fn per_word(self) -> u32 {
        if self.packed() { 2 } else { 1 }
    }

    /// Words that an invocation owns: as many as hold the pairs in them.
    const fn item_words(self) -> u32 {
        match self.pairing {
            Pairing::Interleaved if self.packed() => 1,
            _ => 2,
        }
    }

    /// The storage bindings, and whether each is only read.
    pub(crate) fn bindings(self) -> Vec<(u32, bool)> {
        if self.in_place {
            vec![(1, true), (3, false)]
        } else {
            vec![(1, true), (2, true), (3, false)]
        }
    }

    /// The constants that the shader text leaves open.
    pub(crate) fn prelude(self) -> String {
        format!(
            "const PACKED = {};\nconst HALF_SPLIT = {};\nconst ITEM_WORDS = {}u;\n",
            self.packed(),
            self.pairing == Pairing::HalfSplit,
            self.item_words()
        )
    }
}

/// `RopeParams` of `shaders/rope.wgsl`.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct RopeParams {
    pub(super) input_strides: [u32; 4],
    pub(super) output_strides: [u32; 4],
    pub(super) heads: u32,
    pub(super) rows: u32,
    pub(super) items: u32,
    pub(super) rotated_items: u32,
    pub(super) words: u32,
    pub(super) rotated_words: u32,
    pub(super) count: u32,
    pub(super) groups: u32,
    pub(super) first_position: i32,
    pub(super) magnitude: f32,
    padding: [u32; 2],
}

impl RopeParams {
    /// All but `groups`, which the device's limits decide.
    fn new(rotation: &Rotation, variant: RopeVariant) -> Self {
        let (per_word, item) = (variant.per_word(), variant.item_words());
        let strides =
            |layout: Layout| [layout.batch, layout.head, layout.row, 0].map(|n| n / per_word);
        let words = rotation.head_dim() / per_word;
        let rotated_words = rotation.rope().dimensions / per_word;
        let rotated_items = rotated_words / item;
        let copied_items = if variant.in_place {
            0
        } else {
            (words - rotated_words).div_ceil(item)
        };
        let [batch, heads, rows] = rotation.sizes();
        let items = rotated_items + copied_items;
        #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
        let magnitude = rotation.rope().attention_factor() as f32;
        Self {
            input_strides: strides(rotation.input()),
            output_strides: strides(rotation.output()),
            heads,
            rows,
            items,
            rotated_items,
            words,
            rotated_words,
            count: count([batch, heads, rows, items]),
            groups: 0,
            first_position: rotation.first_position(),
            magnitude,
            padding: [0; 2],
        }
    }
}

/// A product that is 0 where a factor is; else `Rotation::build` keeps it within 32 bits, as it does the output.
fn count(sizes: [u32; 4]) -> u32 {
    if sizes.contains(&0) {
        return 0;
    }
    sizes.into_iter().fold(1, u32::saturating_mul)
}
