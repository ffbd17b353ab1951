//! The data recorded from Hugging Face's code and from a real model.

use std::collections::HashMap;
use std::path::PathBuf;

use relattn::cpu::Inputs;
use relattn::{Bias, Direction, Mask, Problem, RelativeBuckets, Scale, Shape};
use safetensors::{Dtype, SafeTensors};

use super::compare::largest;
use super::data::Data;

/// The records are f64 results rounded once to f32: half a unit in the last place at magnitudes up to 4.
pub(crate) const ROUNDING: f64 = 2.5e-7;

/// The T5 runs recorded from Hugging Face's code.
pub(crate) const T5_CASES: [&str; 8] = [
    "t5_enc_b2_h8_n77",
    "t5_enc_b1_h6_n200",
    "t5_enc_keypad_b3_h4_n50",
    "t5_dec_b2_h8_n77",
    "t5_dec_b1_h2_n200",
    "t5_dec_keypad_b3_h4_n50",
    "t5_dec_step_b1_h8_q1_k128",
    "t5_dec_chunk_b1_h8_q16_k128",
];

/// The bytes of a recorded file.
pub(crate) fn read(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "data", name]
        .iter()
        .collect();
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A recorded attention run: its problem, inputs and output.
#[derive(Clone)]
pub(crate) struct Recorded {
    pub(crate) problem: Problem,
    pub(crate) data: Data,
    pub(crate) ctx: Vec<f32>,
}

impl Recorded {
    /// One of [`T5_CASES`]; its parameters are in the file's metadata.
    pub(crate) fn t5(name: &str) -> Self {
        let bytes = read(&format!("{name}.safetensors"));
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors header");
        let metadata = header.metadata().clone().expect("metadata");
        let number = |key: &str| metadata[key].parse::<u32>().expect("a number");
        let buckets = RelativeBuckets {
            num_buckets: number("num_buckets"),
            max_distance: number("max_distance"),
            direction: match metadata["bidirectional"].as_str() {
                "true" => Direction::Bidirectional,
                _ => Direction::Causal,
            },
        };
        let offset = i32::try_from(number("query_offset")).expect("a small offset");
        Self::load(
            &bytes,
            Scale::Unit,
            buckets,
            metadata["causal"] == "true",
            offset,
        )
    }

    /// A layer of the real all-mpnet-base-v2.
    pub(crate) fn mpnet() -> Self {
        let bytes = read("mpnet_real_layer05.safetensors");
        Self::load(
            &bytes,
            Scale::InverseSqrt,
            RelativeBuckets::t5_encoder(),
            false,
            0,
        )
    }

    fn load(
        bytes: &[u8],
        scale: Scale,
        buckets: RelativeBuckets,
        causal: bool,
        query_offset: i32,
    ) -> Self {
        let tensors = SafeTensors::deserialize(bytes).expect("a safetensors file");
        let floats = |name: &str| floats(&tensors, name);
        let dimension = |name: &str, axis: usize| {
            let shape = tensors.tensor(name).expect("a tensor").shape()[axis];
            u32::try_from(shape).expect("a 32-bit size")
        };
        let shape = Shape {
            batch: dimension("q", 0),
            heads: dimension("q", 1),
            kv_heads: dimension("k", 1),
            q_len: dimension("q", 2),
            k_len: dimension("k", 2),
            head_dim: dimension("q", 3),
        };
        let problem = Problem::builder(shape)
            .scale(scale)
            .bias(Bias::Relative(buckets))
            .mask(Mask {
                causal,
                keys: true,
                ..Mask::NONE
            })
            .query_offset(query_offset)
            .build()
            .expect("a valid problem");
        Self {
            problem,
            data: Data {
                q: floats("q"),
                k: floats("k"),
                v: floats("v"),
                table: Some(floats("table")),
                key_mask: Some(
                    tensors
                        .tensor("key_mask")
                        .expect("key_mask")
                        .data()
                        .to_vec(),
                ),
                ..Data::default()
            },
            ctx: floats("ctx"),
        }
    }

    /// The inputs as slices.
    pub(crate) fn inputs(&self) -> Inputs<'_> {
        self.data.inputs()
    }
}

/// What went into and came out of the backward pass of one of [`T5_CASES`].
pub(crate) struct RecordedGradients {
    pub(crate) dctx: Vec<f32>,
    /// Named as in the file.
    pub(crate) gradients: [(&'static str, Vec<f32>); 4],
}

impl RecordedGradients {
    pub(crate) fn t5(name: &str) -> Self {
        let bytes = read(&format!("{name}.safetensors"));
        let tensors = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        Self {
            dctx: floats(&tensors, "dctx"),
            gradients: ["dq", "dk", "dv", "dtable"].map(|name| (name, floats(&tensors, name))),
        }
    }
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    chunks(tensors, name, Dtype::F32)
        .map(f32::from_le_bytes)
        .collect()
}

/// The offsets, an i32 tensor of a file.
pub(crate) fn offsets(tensors: &SafeTensors<'_>) -> Vec<i32> {
    chunks(tensors, "offsets", Dtype::I32)
        .map(i32::from_le_bytes)
        .collect()
}

/// The buckets of the offsets, in bytes where these are enough, else an i16 tensor of a file.
pub(crate) fn buckets(tensors: &SafeTensors<'_>, name: &str) -> Vec<i16> {
    let tensor = tensors.tensor(name).expect(name);
    if tensor.dtype() == Dtype::U8 {
        return tensor.data().iter().copied().map(i16::from).collect();
    }
    chunks(tensors, name, Dtype::I16)
        .map(i16::from_le_bytes)
        .collect()
}

fn chunks<'a, const BYTES: usize>(
    tensors: &SafeTensors<'a>,
    name: &str,
    dtype: Dtype,
) -> impl Iterator<Item = [u8; BYTES]> + use<'a, BYTES> {
    let tensor = tensors.tensor(name).expect(name);
    assert_eq!(tensor.dtype(), dtype, "{name}");
    let chunks = tensor.data().chunks_exact(BYTES);
    chunks.map(|chunk| chunk.try_into().expect("a whole chunk"))
}

/// The names of the configurations in `buckets.safetensors` with their parameters.
pub(crate) fn bucket_configurations() -> HashMap<&'static str, RelativeBuckets> {
    use Direction::{Bidirectional, Causal};
    [
        ("t5_enc_T_32_128", 32, 128, Bidirectional),
        ("t5_dec_F_32_128", 32, 128, Causal),
        ("wavlm_T_320_800", 320, 800, Bidirectional),
        ("mpnet_T_32_128", 32, 128, Bidirectional),
        ("t5_T_8_16", 8, 16, Bidirectional),
        ("t5_F_16_64", 16, 64, Causal),
        ("t5_F_32_20", 32, 20, Causal),
        ("t5_T_64_4096", 64, 4096, Bidirectional),
        ("t5_F_128_1000000", 128, 1_000_000, Causal),
    ]
    .map(|(name, num_buckets, max_distance, direction)| {
        let buckets = RelativeBuckets {
            num_buckets,
            max_distance,
            direction,
        };
        (name, buckets)
    })
    .into()
}

/// The largest difference between a result and the record of it; NaN where one of them is.
pub(crate) fn largest_error(found: &[f64], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    largest(pairs.map(|(found, &expected)| found - f64::from(expected)))
}
