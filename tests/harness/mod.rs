//! The recorded data and how a result is compared with it.

#![allow(
    dead_code,
    reason = "each test file uses a part of the harness, and each is a crate of its own"
)]

use std::collections::HashMap;
use std::path::PathBuf;

use relattn::cpu::Inputs;
#[cfg(feature = "gpu")]
use relattn::wgpu;
use relattn::{Bias, Direction, Mask, Problem, RelativeBuckets, Scale, Shape, Tensor};
use safetensors::{Dtype, SafeTensors};

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
    pub(crate) q: Vec<f32>,
    pub(crate) k: Vec<f32>,
    pub(crate) v: Vec<f32>,
    pub(crate) table: Vec<f32>,
    pub(crate) key_mask: Vec<u8>,
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
            .mask(Mask { causal, keys: true })
            .query_offset(query_offset)
            .build()
            .expect("a valid problem");
        Self {
            problem,
            q: floats("q"),
            k: floats("k"),
            v: floats("v"),
            table: floats("table"),
            key_mask: tensors
                .tensor("key_mask")
                .expect("key_mask")
                .data()
                .to_vec(),
            ctx: floats("ctx"),
        }
    }

    /// The inputs as slices.
    pub(crate) fn inputs(&self) -> Inputs<'_> {
        Inputs {
            q: &self.q,
            k: &self.k,
            v: &self.v,
            table: Some(&self.table),
            indices: None,
            key_mask: Some(&self.key_mask),
        }
    }
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    words(tensors, name, Dtype::F32)
        .map(f32::from_le_bytes)
        .collect()
}

/// An i32 tensor of a file.
pub(crate) fn integers(tensors: &SafeTensors<'_>, name: &str) -> Vec<i32> {
    words(tensors, name, Dtype::I32)
        .map(i32::from_le_bytes)
        .collect()
}

fn words<'a>(
    tensors: &SafeTensors<'a>,
    name: &str,
    dtype: Dtype,
) -> impl Iterator<Item = [u8; 4]> + use<'a> {
    let tensor = tensors.tensor(name).expect(name);
    assert_eq!(tensor.dtype(), dtype, "{name}");
    let words = tensor.data().chunks_exact(4);
    words.map(|word| word.try_into().expect("four bytes"))
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

/// The largest difference between a result and the record of it, refusing what is not finite.
pub(crate) fn largest_error(found: &[f64], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(&found, &expected)| {
            assert!(found.is_finite(), "a result is not finite");
            (found - f64::from(expected)).abs()
        })
        .fold(0.0, f64::max)
}

/// The device of every adapter, with WebGPU's default limits.
#[cfg(feature = "gpu")]
pub(crate) fn devices() -> Vec<(String, wgpu::Device, wgpu::Queue)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY | wgpu::Backends::GL;
    let instance = wgpu::Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let devices: Vec<_> = adapters
        .into_iter()
        .filter_map(|adapter| {
            let info = adapter.get_info();
            let name = format!("{}/{}", info.backend, info.name);
            match pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())) {
                Ok((device, queue)) => Some((name, device, queue)),
                Err(error) => {
                    println!("unsupported: {name}: {error}");
                    None
                }
            }
        })
        .collect();
    assert!(
        !devices.is_empty(),
        "no adapter; `cargo xtask test` installs a software Vulkan driver"
    );
    devices
}

/// The elements that a tensor of the problem takes.
pub(crate) fn elements(problem: &Problem, tensor: Tensor) -> usize {
    usize::try_from(problem.elements(tensor)).expect("a small tensor")
}
