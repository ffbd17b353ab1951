//! A rotation over buffers that are placed to catch what the kernel should not do, and its comparison with the definition.

use relattn::cpu::rotated_exact;
use relattn::plan::{Bound, RopeOperands};
use relattn::{Context, Dtype, Rotation, wgpu};

use super::data::{round, values};
use super::device::{POISON, elements, number, operand, placed, read, stored, unguarded, words_of};

/// What the device made of the output, every number of its layout, gaps included.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The type of a number.
    pub(crate) dtype: Dtype,
    /// The bits of each.
    pub(crate) bits: Vec<u32>,
}

impl Found {
    /// As f32.
    pub(crate) fn numbers(&self) -> Vec<f32> {
        let bits = self.bits.iter();
        bits.map(|&bits| number(self.dtype, bits)).collect()
    }
}

fn size(elements: u64) -> usize {
    usize::try_from(elements).expect("a small tensor")
}

/// Generated numbers for the input, of the rotation's type.
pub(crate) fn input(rotation: &Rotation) -> Vec<f32> {
    let count = size(rotation.elements(rotation.input()));
    round(rotation.dtype(), values(count, 5))
}

/// Records and submits, and returns the tensor with its guards, which must be whole.
fn run(context: &Context, bound: &Bound, output: &wgpu::Buffer, rotation: &Rotation) -> Found {
    let descriptor = wgpu::CommandEncoderDescriptor::default();
    let mut encoder = context.device().create_command_encoder(&descriptor);
    bound.encode(&mut encoder);
    let [words] = read(context, encoder, [output]);
    let dtype = rotation.dtype();
    let count = words_of(dtype, size(rotation.elements(rotation.output())));
    let bits = elements(dtype, unguarded(&words, count).expect("whole guards"));
    Found { dtype, bits }
}

/// Rotates into a poisoned output.
pub(crate) fn apart(context: &Context, rotation: &Rotation, input: &[f32]) -> Found {
    let dtype = rotation.dtype();
    let from = placed(context, &stored(dtype, input));
    let count = words_of(dtype, size(rotation.elements(rotation.output())));
    let to = placed(context, &vec![POISON; count]);
    let operands = RopeOperands {
        input: operand(&from),
        output: operand(&to),
    };
    let bound = context.rope(rotation).bind(&operands).expect("bound");
    run(context, &bound, &to, rotation)
}

/// Rotates a tensor where it lies.
pub(crate) fn in_place(context: &Context, rotation: &Rotation, input: &[f32]) -> Found {
    let tensor = placed(context, &stored(rotation.dtype(), input));
    let bound = context.rope(rotation).bind_in_place(&operand(&tensor));
    run(context, &bound.expect("bound"), &tensor, rotation)
}

/// Every number of the output lies within rounding of the definition, and every gap is as it was.
pub(crate) fn check(rotation: &Rotation, input: &[f32], found: &Found) -> Result<(), String> {
    let exact = rotated_exact(rotation, input).expect("valid");
    let poison = elements(found.dtype, &[POISON, POISON]);
    let written = written(rotation);
    // Sine and cosine to 2e-7, two products, a sum; numbers are below 1, and pairs below √2.
    let magnitude = rotation.rope().attention_factor();
    let allowed = 4e-7 * magnitude;
    // bf16 is rounded to the nearest; a device may round f16 either way.
    let share = match found.dtype {
        Dtype::F32 => 0.0,
        Dtype::F16 => f64::from(Dtype::F16.epsilon()),
        Dtype::Bf16 => f64::from(Dtype::Bf16.epsilon()) / 2.0,
    };
    for (n, (&value, &exact)) in found.numbers().iter().zip(&exact).enumerate() {
        if !written[n] {
            if found.bits[n] != poison[n % poison.len()] {
                return Err(format!("gap {n} was written"));
            }
            continue;
        }
        let error = (f64::from(value) - exact).abs();
        // False for NaN.
        let within = error <= allowed + share * exact.abs() * 1.01;
        if !within {
            return Err(format!("element {n}: {value} for {exact}, error {error:e}"));
        }
    }
    Ok(())
}

/// Which elements of the output belong to rows.
fn written(rotation: &Rotation) -> Vec<bool> {
    let mut written = vec![false; size(rotation.elements(rotation.output()))];
    let [batch, heads, rows] = rotation.sizes().map(|size| size as usize);
    for (b, h, i) in
        (0..batch).flat_map(|b| (0..heads).flat_map(move |h| (0..rows).map(move |i| (b, h, i))))
    {
        let start = rotation.output().start(b, h, i);
        written[start..start + rotation.head_dim() as usize].fill(true);
    }
    written
}
