//! T5's attention on whatever device is there, from host slices.

use relattn::cpu::{Attention, Inputs, Oracle};
use relattn::run::OnDevice;
use relattn::{Bias, Capabilities, Context, Problem, RelativeBuckets, Scale, Shape, Tensor, wgpu};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()))?;
    let (device, queue) =
        pollster::block_on(adapter.request_device(&Capabilities::descriptor(&adapter)))?;

    let shape = Shape {
        batch: 1,
        heads: 8,
        kv_heads: 8,
        q_len: 200,
        k_len: 200,
        head_dim: 64,
    };
    let problem = Problem::builder(shape)
        .scale(Scale::Unit)
        .bias(Bias::Relative(RelativeBuckets::t5_encoder()))
        .build()?;
    let waves = |tensor: Tensor, step: f32| -> Result<Vec<f32>, std::num::TryFromIntError> {
        let count = u16::try_from(problem.elements(tensor) / 64)?;
        let row =
            |n: u16| (0..64_u16).map(move |d| (f32::from(n) * step + f32::from(d)).sin() / 4.0);
        Ok((0..count).flat_map(row).collect())
    };
    let (q, k, v) = (
        waves(Tensor::Q, 0.1)?,
        waves(Tensor::K, 0.2)?,
        waves(Tensor::V, 0.3)?,
    );
    let table: Vec<f32> = (0..32 * 8_u16).map(|n| f32::from(n % 32) / 16.0).collect();
    let inputs = Inputs {
        table: Some(&table),
        ..Inputs::new(&q, &k, &v)
    };

    let found = OnDevice::new(Context::new(&device, &queue)).forward(&problem, &inputs)?;
    let exact = Oracle.forward(&problem, &inputs)?;
    let pairs = found.out.iter().zip(&exact.out);
    let error = pairs.map(|(a, b)| (a - b).abs()).max_by(f32::total_cmp);
    let error = error.unwrap_or(0.0);
    println!("{}: largest error {error:.1e}", adapter.get_info().name);
    Ok(())
}
