//! The device and its queue.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Value, json};
use wgpu::custom::*;
use wgpu::{AdapterInfo, Backend, BindingType, BufferBindingType, BufferUsages, DeviceType};
use wgpu::{Features, Limits};

use super::buffer::Buffer;
use super::commands::{Encoder, Recorded};
use super::objects::{Group, GroupLayout, Module, Object, Pipeline, PipelineLayout, at_once};
use super::process::Process;
use super::{Facts, foreign};

#[derive(Debug)]
struct Device {
    process: Arc<Process>,
    features: Features,
    limits: Limits,
    info: AdapterInfo,
}

#[derive(Debug)]
struct Queue {
    process: Arc<Process>,
}

/// The device that a process has open.
pub(super) fn new(process: Arc<Process>, facts: &Facts) -> (wgpu::Device, wgpu::Queue) {
    let kind = if facts.software {
        DeviceType::Cpu
    } else {
        DeviceType::Other
    };
    let mut info = AdapterInfo::new(kind, Backend::BrowserWebGpu);
    info.name.clone_from(&facts.name);
    info.driver = "Dawn".into();
    info.driver_info.clone_from(&facts.driver);
    let [least, most] = facts.subgroups.unwrap_or_default();
    (info.subgroup_min_size, info.subgroup_max_size) = (least, most);
    let device = Device {
        process: process.clone(),
        features: if facts.subgroups.is_some() {
            Features::SUBGROUP
        } else {
            Features::empty()
        },
        limits: Limits {
            max_storage_buffers_per_shader_stage: facts.storage_buffers,
            ..Limits::default()
        },
        info,
    };
    let queue = Queue { process };
    (
        wgpu::Device::from_custom(device),
        wgpu::Queue::from_custom(queue),
    )
}

impl Device {
    /// Makes an object of what a request says.
    fn make(&self, mut request: Value) -> Object {
        let object = Object::new(&self.process);
        request["id"] = object.id.into();
        self.process.tell(&request);
        object
    }
}

#[expect(
    unsafe_code,
    reason = "the trait declares some functions unsafe; none of these does anything that is"
)]
impl DeviceInterface for Device {
    fn features(&self) -> Features {
        self.features
    }

    fn limits(&self) -> Limits {
        self.limits.clone()
    }

    fn adapter_info(&self) -> AdapterInfo {
        self.info.clone()
    }

    /// Always with checks, as browsers have it.
    fn create_shader_module(
        &self,
        descriptor: wgpu::ShaderModuleDescriptor<'_>,
        _: wgpu::ShaderRuntimeChecks,
    ) -> DispatchShaderModule {
        let wgpu::ShaderSource::Wgsl(code) = descriptor.source else {
            foreign("other languages than WGSL")
        };
        let module = self.make(json!({ "op": "module", "code": code }));
        DispatchShaderModule::custom(Module(module))
    }

    fn create_bind_group_layout(
        &self,
        descriptor: &wgpu::BindGroupLayoutDescriptor<'_>,
    ) -> DispatchBindGroupLayout {
        let entries = descriptor.entries.iter();
        let entries: Vec<Value> = entries
            .map(|entry| json!({ "binding": entry.binding, "type": kind(&entry.ty) }))
            .collect();
        let layout = self.make(json!({ "op": "layout", "entries": entries }));
        DispatchBindGroupLayout::custom(GroupLayout(layout))
    }

    fn create_bind_group(&self, descriptor: &wgpu::BindGroupDescriptor<'_>) -> DispatchBindGroup {
        let layout = descriptor.layout.as_custom::<GroupLayout>();
        let entries: Vec<Value> = descriptor.entries.iter().map(bound).collect();
        let layout = layout.expect("a layout of Dawn's").0.id;
        let group = self.make(json!({ "op": "group", "layout": layout, "entries": entries }));
        DispatchBindGroup::custom(Group(group))
    }

    fn create_pipeline_layout(
        &self,
        descriptor: &wgpu::PipelineLayoutDescriptor<'_>,
    ) -> DispatchPipelineLayout {
        let layouts = descriptor.bind_group_layouts.iter().flatten();
        let layouts: Vec<u64> = layouts
            .filter_map(|layout| Some(layout.as_custom::<GroupLayout>()?.0.id))
            .collect();
        let layout = self.make(json!({ "op": "pipelineLayout", "layouts": layouts }));
        DispatchPipelineLayout::custom(PipelineLayout(layout))
    }

    fn create_compute_pipeline(
        &self,
        descriptor: &wgpu::ComputePipelineDescriptor<'_>,
    ) -> DispatchComputePipeline {
        let layout = descriptor
            .layout
            .and_then(|layout| layout.as_custom::<PipelineLayout>());
        let layout = layout.expect("a layout of Dawn's").0.id;
        let module = descriptor.module.as_custom::<Module>();
        let module = module.expect("a module of Dawn's").0.id;
        let pipeline = self.make(json!({ "op": "pipeline", "layout": layout, "module": module }));
        DispatchComputePipeline::custom(Pipeline(pipeline))
    }

    fn create_buffer(&self, descriptor: &wgpu::BufferDescriptor<'_>) -> DispatchBuffer {
        // What is mapped from the beginning is written by the queue, into what WebGPU lets nobody map for writing.
        let usage = (descriptor.usage - BufferUsages::MAP_WRITE) | BufferUsages::COPY_DST;
        let usage = usage.bits();
        let length = descriptor.size;
        let object = self.make(json!({ "op": "buffer", "length": length, "usage": usage }));
        let mapped = if descriptor.mapped_at_creation {
            usize::try_from(length).expect("a buffer that fits into memory")
        } else {
            0
        };
        DispatchBuffer::custom(Buffer::new(object, mapped))
    }

    fn create_command_encoder(
        &self,
        _: &wgpu::CommandEncoderDescriptor<'_>,
    ) -> DispatchCommandEncoder {
        DispatchCommandEncoder::custom(Encoder::default())
    }

    /// Whoever maps a buffer has waited already.
    fn poll(&self, _: wgpu::wgt::PollType<u64>) -> Result<wgpu::PollStatus, wgpu::PollError> {
        Ok(wgpu::PollStatus::QueueEmpty)
    }

    fn get_internal_counters(&self) -> wgpu::InternalCounters {
        wgpu::InternalCounters::default()
    }

    fn generate_allocator_report(&self) -> Option<wgpu::AllocatorReport> {
        None
    }

    fn push_error_scope(&self, _: wgpu::ErrorFilter) -> u32 {
        0
    }

    fn pop_error_scope(&self, _: u32) -> Pin<Box<dyn PopErrorScopeFuture>> {
        at_once(None)
    }

    fn set_device_lost_callback(&self, _: BoxDeviceLostCallback) {}

    fn on_uncaptured_error(&self, _: Arc<dyn wgpu::UncapturedErrorHandler>) {}

    fn destroy(&self) {}

    unsafe fn start_graphics_debugger_capture(&self) {}

    unsafe fn stop_graphics_debugger_capture(&self) {}

    unsafe fn create_shader_module_passthrough(
        &self,
        _: &wgpu::ShaderModuleDescriptorPassthrough<'_>,
    ) -> DispatchShaderModule {
        foreign("other languages than WGSL")
    }

    unsafe fn create_pipeline_cache(
        &self,
        _: &wgpu::PipelineCacheDescriptor<'_>,
    ) -> DispatchPipelineCache {
        foreign("caches")
    }

    fn create_render_pipeline(
        &self,
        _: &wgpu::RenderPipelineDescriptor<'_>,
    ) -> DispatchRenderPipeline {
        foreign("render pipelines")
    }

    fn create_mesh_pipeline(&self, _: &wgpu::MeshPipelineDescriptor<'_>) -> DispatchRenderPipeline {
        foreign("render pipelines")
    }

    fn create_texture(&self, _: &wgpu::TextureDescriptor<'_>) -> DispatchTexture {
        foreign("textures")
    }

    fn create_external_texture(
        &self,
        _: &wgpu::ExternalTextureDescriptor<'_>,
        _: &[&wgpu::TextureView],
    ) -> DispatchExternalTexture {
        foreign("textures")
    }

    fn create_blas(
        &self,
        _: &wgpu::CreateBlasDescriptor<'_>,
        _: wgpu::BlasGeometrySizeDescriptors,
    ) -> (Option<u64>, DispatchBlas) {
        foreign("acceleration structures")
    }

    fn create_tlas(&self, _: &wgpu::CreateTlasDescriptor<'_>) -> DispatchTlas {
        foreign("acceleration structures")
    }

    fn create_sampler(&self, _: &wgpu::SamplerDescriptor<'_>) -> DispatchSampler {
        foreign("samplers")
    }

    fn create_query_set(&self, _: &wgpu::QuerySetDescriptor<'_>) -> DispatchQuerySet {
        foreign("queries")
    }

    fn create_render_bundle_encoder(
        &self,
        _: &wgpu::RenderBundleEncoderDescriptor<'_>,
    ) -> DispatchRenderBundleEncoder {
        foreign("render bundles")
    }
}

/// The type of a binding as WebGPU calls it.
fn kind(binding: &BindingType) -> &'static str {
    match binding {
        BindingType::Buffer { ty, .. } => match ty {
            BufferBindingType::Uniform => "uniform",
            BufferBindingType::Storage { read_only: true } => "read-only-storage",
            BufferBindingType::Storage { read_only: false } => "storage",
        },
        _ => foreign("other bindings than buffers"),
    }
}

fn bound(entry: &wgpu::BindGroupEntry<'_>) -> Value {
    let wgpu::BindingResource::Buffer(binding) = &entry.resource else {
        foreign("other bindings than buffers")
    };
    let buffer = binding.buffer.as_custom::<Buffer>();
    json!({
        "binding": entry.binding,
        "buffer": buffer.expect("a buffer of Dawn's").object.id,
        "offset": binding.offset,
        "length": binding.size,
    })
}

impl QueueInterface for Queue {
    fn write_buffer(&self, buffer: &DispatchBuffer, offset: u64, bytes: &[u8]) {
        let buffer = buffer.as_custom::<Buffer>();
        buffer.expect("a buffer of Dawn's").write(offset, bytes);
    }

    fn submit(&self, buffers: &mut dyn Iterator<Item = DispatchCommandBuffer>) -> u64 {
        for buffer in buffers {
            let recorded = buffer.as_custom::<Recorded>().expect("commands for Dawn");
            let request = json!({ "op": "submit", "commands": recorded.0 });
            self.process.tell(&request);
        }
        0
    }

    fn get_timestamp_period(&self) -> f32 {
        1.0
    }

    fn on_submitted_work_done(&self, _: BoxSubmittedWorkDoneCallback) {
        foreign("waiting without mapping")
    }

    fn create_staging_buffer(&self, _: wgpu::BufferSize) -> Option<DispatchQueueWriteBuffer> {
        foreign("staging")
    }

    fn validate_write_buffer(&self, _: &DispatchBuffer, _: u64, _: wgpu::BufferSize) -> Option<()> {
        foreign("staging")
    }

    fn write_staging_buffer(&self, _: &DispatchBuffer, _: u64, _: &DispatchQueueWriteBuffer) {
        foreign("staging")
    }

    fn write_texture(
        &self,
        _: wgpu::TexelCopyTextureInfo<'_>,
        _: &[u8],
        _: wgpu::TexelCopyBufferLayout,
        _: wgpu::Extent3d,
    ) {
        foreign("textures")
    }

    fn compact_blas(&self, _: &DispatchBlas) -> (Option<u64>, DispatchBlas) {
        foreign("acceleration structures")
    }

    fn present(&self, _: &DispatchSurfaceOutputDetail) {
        foreign("surfaces")
    }
}
