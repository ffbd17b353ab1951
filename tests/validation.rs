//! Every kernel passes wgpu's validation on a device with WebGPU's default limits and no features, without a GPU.

#![cfg(feature = "gpu")]

mod harness;

use harness::catalogue::catalogue;
use relattn::plan::{ForwardOperands, Operand};
use relattn::{Context, Error, IndexFormat, Limit, RelativeBuckets, Tensor, wgpu};

/// A device that validates everything and executes nothing.
fn noop() -> Context {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    assert_eq!(device.limits().max_compute_workgroup_storage_size, 16_384);
    assert_eq!(device.limits().max_storage_buffers_per_shader_stage, 8);
    Context::new(&device, &queue)
}

#[test]
fn every_case_is_valid_under_default_limits() {
    let context = noop();
    let mut refused = Vec::new();
    for case in catalogue() {
        let problem = &case.problem;
        let forward = match context.forward(problem) {
            Ok(forward) => forward,
            Err(Error::DeviceLimit {
                limit: Limit::StorageBuffers,
                ..
            }) => {
                refused.push(case.name);
                continue;
            }
            Err(error) => panic!("{}: {error}", case.name),
        };
        let buffer = |tensor| {
            let size = 4 * problem.elements(tensor);
            (size > 0).then(|| {
                context.device().create_buffer(&wgpu::BufferDescriptor {
                    label: None,
                    size,
                    usage: wgpu::BufferUsages::STORAGE,
                    mapped_at_creation: false,
                })
            })
        };
        let some = context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 16,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        let tensors = [Tensor::Q, Tensor::K, Tensor::V, Tensor::Out, Tensor::Lse].map(&buffer);
        let whole =
            |buffer: &'_ Option<wgpu::Buffer>| buffer.clone().unwrap_or_else(|| some.clone());
        let [q, k, v, out, lse] = tensors.each_ref().map(whole);
        let optional = [
            Tensor::Table,
            Tensor::Indices,
            Tensor::Bias,
            Tensor::KeyMask,
            Tensor::KeyLengths,
            Tensor::QueryLengths,
            Tensor::QueryDocuments,
            Tensor::KeyDocuments,
            Tensor::MaskBits,
            Tensor::QueryStarts,
            Tensor::KeyStarts,
            Tensor::BlockTable,
            Tensor::Gate,
        ]
        .map(&buffer);
        let [
            table,
            indices,
            bias,
            key_mask,
            key_lengths,
            query_lengths,
            query_documents,
            key_documents,
            mask_bits,
            query_starts,
            key_starts,
            block_table,
            gate,
        ] = optional.each_ref().map(|b| b.as_ref().map(operand));
        let bound = forward
            .bind(&ForwardOperands {
                table,
                indices,
                bias,
                key_mask,
                key_lengths,
                query_lengths,
                query_documents,
                key_documents,
                mask_bits,
                query_starts,
                key_starts,
                block_table,
                gate,
                lse: Some(operand(&lse)),
                ..ForwardOperands::new(operand(&q), operand(&k), operand(&v), operand(&out))
            })
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let descriptor = wgpu::CommandEncoderDescriptor::default();
        let mut encoder = context.device().create_command_encoder(&descriptor);
        bound.encode(&mut encoder);
        context.queue().submit([encoder.finish()]);
    }
    // Starts, a bias and another mask are more than eight buffers.
    assert_eq!(refused, ["packed, causal, key mask", "packed, documents"]);
}

#[test]
fn the_bucket_matrix_is_valid_under_default_limits() {
    let context = noop();
    let thresholds = RelativeBuckets::t5_encoder().thresholds().expect("valid");
    for format in [IndexFormat::U32, IndexFormat::U16, IndexFormat::U8] {
        let index = context.bucket_index(&thresholds, [100, 100], 0, format);
        let buffer = context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: index.bytes(),
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        index.bind(&operand(&buffer)).expect("bound");
    }
}

fn operand(buffer: &wgpu::Buffer) -> Operand<'_> {
    buffer.as_entire_buffer_binding()
}
