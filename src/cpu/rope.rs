//! The rotation on the CPU: the definition, and the fast form. They share nothing but the pairs and the frequencies.

use rayon::prelude::*;

use crate::{InputError, Pairing, Rotation, Tensor};

/// The rotated rows in f64, `[B, H, N, D]` in the layout of the output, whose gaps are 0.
///
/// This is the definition: an angle is the position times the f64 of [`crate::Rope::inverse_frequencies`], exactly.
///
/// # Errors
/// An input of another length than its layout asks for.
pub fn rotated_exact(rotation: &Rotation, input: &[f32]) -> Result<Vec<f64>, InputError> {
    validate(rotation, input)?;
    let frequencies = rotation.rope().radians();
    let magnitude = rotation.rope().attention_factor();
    let mut out = vec![0.0; elements(rotation)];
    let features = rotation.head_dim() as usize;
    for row in rows(rotation) {
        let from = &input[row.input..][..features];
        let to = &mut out[row.output..][..features];
        for (to, &from) in to.iter_mut().zip(from) {
            *to = from.into();
        }
        for (n, &frequency) in frequencies.iter().enumerate() {
            let (sine, cosine) = sine_and_cosine(row.position.into(), frequency);
            let [x, y] = pair(rotation, n);
            let (a, b) = (f64::from(from[x]), f64::from(from[y]));
            to[x] = magnitude * (a * cosine - b * sine);
            to[y] = magnitude * (b * cosine + a * sine);
        }
    }
    Ok(out)
}

/// Of the product, with what its rounding loses: at 2^31 radians that would be 2e-7.
fn sine_and_cosine(position: f64, frequency: f64) -> (f64, f64) {
    let angle = position * frequency;
    let lost = position.mul_add(frequency, -angle);
    let (sine, cosine) = angle.sin_cos();
    (sine + cosine * lost, cosine - sine * lost)
}

/// The rotated rows in f32, parallel, `[B, H, N, D]` in the layout of the output, whose gaps are 0.
///
/// # Errors
/// An input of another length than its layout asks for.
pub fn rotated(rotation: &Rotation, input: &[f32]) -> Result<Vec<f32>, InputError> {
    validate(rotation, input)?;
    let rows: Vec<Row> = rows(rotation).collect();
    // Without heads there may be any number of rows, and angles for each.
    if rows.is_empty() {
        return Ok(vec![0.0; elements(rotation)]);
    }
    let table = table(rotation);
    let features = rotation.head_dim() as usize;
    let mut packed = vec![0.0; rows.len() * features];
    packed
        .par_chunks_exact_mut(features)
        .zip(&rows)
        .for_each(|(to, row)| {
            to.copy_from_slice(&input[row.input..][..features]);
            for (n, &[sine, cosine]) in table[row.index].iter().enumerate() {
                let [x, y] = pair(rotation, n);
                (to[x], to[y]) = (to[x] * cosine - to[y] * sine, to[y] * cosine + to[x] * sine);
            }
        });
    let mut out = vec![0.0; elements(rotation)];
    for (row, values) in rows.iter().zip(packed.chunks_exact(features)) {
        out[row.output..][..features].copy_from_slice(values);
    }
    Ok(out)
}

/// Sine and cosine, times the attention factor, of each pair of each row: they are the same in all heads.
fn table(rotation: &Rotation) -> Vec<Vec<[f32; 2]>> {
    let turns = rotation.rope().turns();
    let magnitude = rotation.rope().attention_factor();
    let [.., rows] = rotation.sizes();
    let first = i64::from(rotation.first_position());
    (0..rows)
        .into_par_iter()
        .map(|row| {
            let position = first + i64::from(row);
            let entry = |&turn: &u64| {
                // Whole turns are lost at the top of the product.
                let fraction = turn.cast_signed().wrapping_mul(position);
                #[expect(clippy::cast_precision_loss, reason = "f32 keeps less")]
                let angle = fraction as f64 * (std::f64::consts::TAU / 64_f64.exp2());
                let (sine, cosine) = angle.sin_cos();
                #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
                [sine, cosine].map(|value| (magnitude * value) as f32)
            };
            turns.iter().map(entry).collect()
        })
        .collect()
}

/// The features of pair n.
fn pair(rotation: &Rotation, n: usize) -> [usize; 2] {
    match rotation.rope().pairing {
        Pairing::Interleaved => [2 * n, 2 * n + 1],
        Pairing::HalfSplit => [n, n + rotation.rope().dimensions as usize / 2],
    }
}

/// A row of a head, and where it begins.
struct Row {
    index: usize,
    position: i32,
    input: usize,
    output: usize,
}

fn rows(rotation: &Rotation) -> impl Iterator<Item = Row> {
    let [batch, heads, rows] = rotation.sizes();
    let (input, output) = (rotation.input(), rotation.output());
    let first = rotation.first_position();
    // There may be 2^32 sequences without rows.
    let batch = if [heads, rows].contains(&0) { 0 } else { batch };
    let planes = (0..batch as usize).flat_map(move |b| (0..heads as usize).map(move |h| [b, h]));
    planes.flat_map(move |[b, h]| {
        (0..rows as usize)
            .zip(first..=i32::MAX)
            .map(move |(index, position)| Row {
                index,
                position,
                input: input.start(b, h, index),
                output: output.start(b, h, index),
            })
    })
}

fn elements(rotation: &Rotation) -> usize {
    usize::try_from(rotation.elements(rotation.output())).unwrap_or(usize::MAX)
}

fn validate(rotation: &Rotation, input: &[f32]) -> Result<(), InputError> {
    let (found, expected) = (input.len() as u64, rotation.elements(rotation.input()));
    if found != expected {
        return Err(InputError::Length {
            tensor: Tensor::RopeInput,
            found,
            expected,
        });
    }
    Ok(())
}
