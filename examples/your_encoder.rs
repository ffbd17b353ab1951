//! Attention recorded into the caller's own encoder, between the caller's own work; the decoding loop of a T5 decoder.
//!
//! The pass is bound once; each step writes uniforms.

use relattn::plan::ForwardOperands;
use relattn::{Bias, Capabilities, Context, Mask, Problem, RelativeBuckets, Scale, Shape, wgpu};

const HEADS: u32 = 8;
const HEAD_DIM: u32 = 64;
/// Rows that the key/value cache has room for.
const CAPACITY: u32 = 512;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()))?;
    let (device, queue) =
        pollster::block_on(adapter.request_device(&Capabilities::descriptor(&adapter)))?;
    let buffer = |elements: u32| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 4 * u64::from(elements),
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    };
    let cache = HEADS * CAPACITY * HEAD_DIM;
    let (k, v, table) = (buffer(cache), buffer(cache), buffer(32 * HEADS));
    let (q, out) = (buffer(HEADS * HEAD_DIM), buffer(HEADS * HEAD_DIM));

    let context = Context::new(&device, &queue);
    let forward = context.forward(&last_step()?)?;
    println!("{}, keys in {} parts", forward.variant(), forward.splits());
    let bound = forward.bind(&ForwardOperands {
        table: Some(table.as_entire_buffer_binding()),
        ..ForwardOperands::new(
            q.as_entire_buffer_binding(),
            k.as_entire_buffer_binding(),
            v.as_entire_buffer_binding(),
            out.as_entire_buffer_binding(),
        )
    })?;
    for position in 0..8_u16 {
        bound.set_position(&queue, i32::from(position), u32::from(position) + 1)?;
        let mut encoder = device.create_command_encoder(&Default::default());
        // The caller's projections would be recorded before and after this line.
        bound.encode(&mut encoder);
        queue.submit([encoder.finish()]);
        println!("position {position}: {} keys", position + 1);
    }
    Ok(())
}

/// The query at the last position against the whole cache: earlier steps see a part of it.
fn last_step() -> Result<Problem, relattn::ProblemError> {
    let shape = Shape {
        batch: 1,
        heads: HEADS,
        kv_heads: HEADS,
        q_len: 1,
        k_len: CAPACITY,
        head_dim: HEAD_DIM,
    };
    Problem::builder(shape)
        .scale(Scale::Unit)
        .bias(Bias::Relative(RelativeBuckets::t5_decoder()))
        .mask(Mask::CAUSAL)
        .query_offset(i32::try_from(CAPACITY - 1).unwrap_or(i32::MAX))
        .build()
}
