//! The squared error of what comes out, and its gradient, on the device.

use relattn::{Context, wgpu};
use wgpu::util::DeviceExt;

use super::Result;
use super::layer::whole;

/// `loss.wgsl`, bound.
#[derive(Debug)]
pub(crate) struct SquaredError {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    planes: u32,
}

impl SquaredError {
    /// For `planes` heads of sequences, of which `batch` are of one head; `errors` has a number for each.
    pub(crate) fn new(
        context: &Context,
        [planes, batch]: [u32; 2],
        [out, goal, dout, errors]: [&wgpu::Buffer; 4],
    ) -> Result<Self> {
        let device = context.device();
        let module = device.create_shader_module(wgpu::include_wgsl!("loss.wgsl"));
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: Default::default(),
            cache: None,
        });
        let numbers = u32::try_from(out.size() / 4)? / planes;
        let factor = 2.0 / (batch * numbers) as f32;
        let params = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(&[numbers, factor.to_bits()]),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let entries: Vec<_> = (0..)
            .zip([&params, out, goal, dout, errors])
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Buffer(whole(buffer)),
            })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        Ok(Self {
            pipeline,
            group,
            planes,
        })
    }

    pub(crate) fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(self.planes, 1, 1);
    }
}
