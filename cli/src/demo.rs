//! One layer of all-mpnet-base-v2 through the fused pass, compared with the definition and with the recorded output.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use relattn::cpu::{Attention, Exact, Inputs, Oracle, Tiled};
use relattn::run::OnDevice;
use relattn::{Bias, Context, Mask, Problem, RelativeBuckets, Shape, wgpu};
use safetensors::SafeTensors;

/// Layer 5 of sentence-transformers/all-mpnet-base-v2 (Apache-2.0) on three sentences.
static MPNET: &[u8] = include_bytes!("../../tests/data/mpnet_real_layer05.safetensors");

/// Runs the demonstration and prints what came out.
pub(crate) fn run() -> anyhow::Result<()> {
    let tensors = SafeTensors::deserialize(MPNET)?;
    let [q, k, v, table, expected] =
        ["q", "k", "v", "table", "ctx"].map(|name| floats(&tensors, name));
    let (q, k, v, table, expected) = (q?, k?, v?, table?, expected?);
    let mask = tensors.tensor("key_mask")?;
    let [batch, heads, len, head_dim] = *tensors.tensor("q")?.shape() else {
        anyhow::bail!("q does not have four dimensions");
    };
    let shape = Shape {
        batch: u32::try_from(batch)?,
        heads: u32::try_from(heads)?,
        kv_heads: u32::try_from(heads)?,
        q_len: u32::try_from(len)?,
        k_len: u32::try_from(len)?,
        head_dim: u32::try_from(head_dim)?,
    };
    let problem = Problem::builder(shape)
        .bias(Bias::Relative(RelativeBuckets::t5_encoder()))
        .mask(Mask {
            causal: false,
            keys: true,
        })
        .build()?;
    let inputs = Inputs {
        q: &q,
        k: &k,
        v: &v,
        table: Some(&table),
        indices: None,
        key_mask: Some(mask.data()),
    };
    println!("data      layer 5 of all-mpnet-base-v2 (Apache-2.0), q {shape:?}");
    let exact = Oracle.exact(&problem, &inputs)?;
    println!(
        "oracle    f64, {:.1e} from the recorded output",
        error(&to_f64(&expected), &exact.out)
    );
    let start = Instant::now();
    let tiled = Tiled.forward(&problem, &inputs)?;
    println!("cpu       f32, tiled, {:.1?}", start.elapsed());
    report(&tiled.out, &exact, &expected);
    let Some(context) = device() else {
        println!("adapter   none: the result above is the CPU's");
        return Ok(());
    };
    let device = OnDevice::new(context);
    let first = device.forward(&problem, &inputs)?;
    let start = Instant::now();
    let found = device.forward(&problem, &inputs)?;
    let time = start.elapsed();
    ensure!(first.out == found.out, "two runs differ");
    report(&found.out, &exact, &expected);
    println!("time      {time:.1?} with upload and reading back");
    Ok(())
}

fn report(found: &[f32], exact: &Exact, expected: &[f32]) {
    let found = to_f64(found);
    println!(
        "error     {:.1e} from the oracle",
        error(&found, &exact.out)
    );
    println!(
        "          {:.1e} from the recorded output",
        error(&found, &to_f64(expected))
    );
}

/// The adapter that wgpu prefers, with default limits.
fn device() -> Option<Context> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::all();
    let instance = wgpu::Instance::new(descriptor);
    let options = wgpu::RequestAdapterOptions::default();
    let adapter = pollster::block_on(instance.request_adapter(&options)).ok()?;
    let info = adapter.get_info();
    println!(
        "adapter   {} ({}, {})",
        info.name, info.backend, info.driver_info
    );
    let request = adapter.request_device(&wgpu::DeviceDescriptor::default());
    let (device, queue) = pollster::block_on(request).ok()?;
    Some(Context::new(&device, &queue))
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> anyhow::Result<Vec<f32>> {
    let tensor = tensors
        .tensor(name)
        .with_context(|| format!("tensor {name}"))?;
    let words = tensor.data().chunks_exact(4);
    words
        .map(|word| Ok(f32::from_le_bytes(word.try_into()?)))
        .collect()
}

fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// The largest difference.
fn error(found: &[f64], expected: &[f64]) -> f64 {
    let pairs = found.iter().zip(expected);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
