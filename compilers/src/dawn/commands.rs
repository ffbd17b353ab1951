//! What is recorded: copies and compute passes, as lists that Dawn's process gets at once.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use wgpu::custom::{
    CommandBufferInterface, CommandEncoderInterface, ComputePassInterface, DispatchBindGroup,
    DispatchBuffer, DispatchCommandBuffer, DispatchComputePass, DispatchComputePipeline,
    DispatchQuerySet, DispatchRenderPass, DispatchTexture, DispatchTextureView,
};
use wgpu::{
    BufferAddress, BufferTransition, Extent3d, TexelCopyBufferInfo, TexelCopyTextureInfo,
    TextureTransition,
};

use super::buffer::Buffer;
use super::foreign;
use super::objects::{Group, Pipeline};

/// Commands in the order in which they were recorded. Buffers and groups outlive them: whoever submits holds them.
type Commands = Arc<Mutex<Vec<Value>>>;

#[derive(Debug, Default)]
pub(super) struct Encoder(Commands);

#[derive(Debug)]
pub(super) struct Recorded(pub(super) Vec<Value>);

/// A compute pass, which the encoder has when it ends.
#[derive(Debug)]
struct Pass {
    commands: Commands,
    dispatches: Vec<Value>,
    pipeline: u64,
    group: u64,
}

fn push(commands: &Commands, command: Value) {
    let mut commands = commands.lock().unwrap_or_else(PoisonError::into_inner);
    commands.push(command);
}

/// The number of a buffer of Dawn's.
fn id(buffer: &DispatchBuffer) -> u64 {
    buffer
        .as_custom::<Buffer>()
        .expect("a buffer of Dawn's")
        .object
        .id
}

impl CommandBufferInterface for Recorded {}

impl CommandEncoderInterface for Encoder {
    fn copy_buffer_to_buffer(
        &self,
        source: &DispatchBuffer,
        source_offset: BufferAddress,
        destination: &DispatchBuffer,
        destination_offset: BufferAddress,
        copy_size: Option<BufferAddress>,
    ) {
        let length = copy_size.expect("the size of a copy");
        let copy = json!([
            id(source),
            source_offset,
            id(destination),
            destination_offset,
            length
        ]);
        push(&self.0, json!({ "copy": copy }));
    }

    fn begin_compute_pass(&self, _: &wgpu::ComputePassDescriptor<'_>) -> DispatchComputePass {
        DispatchComputePass::custom(Pass {
            commands: self.0.clone(),
            dispatches: Vec::new(),
            pipeline: 0,
            group: 0,
        })
    }

    fn finish(&mut self) -> DispatchCommandBuffer {
        let mut commands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        DispatchCommandBuffer::custom(Recorded(std::mem::take(&mut *commands)))
    }

    fn insert_debug_marker(&self, _: &str) {}

    fn push_debug_group(&self, _: &str) {}

    fn pop_debug_group(&self) {}

    fn copy_buffer_to_texture(
        &self,
        _: TexelCopyBufferInfo<'_>,
        _: TexelCopyTextureInfo<'_>,
        _: Extent3d,
    ) {
        foreign("textures")
    }

    fn copy_texture_to_buffer(
        &self,
        _: TexelCopyTextureInfo<'_>,
        _: TexelCopyBufferInfo<'_>,
        _: Extent3d,
    ) {
        foreign("textures")
    }

    fn copy_texture_to_texture(
        &self,
        _: TexelCopyTextureInfo<'_>,
        _: TexelCopyTextureInfo<'_>,
        _: Extent3d,
    ) {
        foreign("textures")
    }

    fn begin_render_pass(&self, _: &wgpu::RenderPassDescriptor<'_>) -> DispatchRenderPass {
        foreign("render passes")
    }

    fn clear_texture(&self, _: &DispatchTexture, _: &wgpu::ImageSubresourceRange) {
        foreign("textures")
    }

    fn clear_buffer(&self, _: &DispatchBuffer, _: BufferAddress, _: Option<BufferAddress>) {
        foreign("clearing")
    }

    fn write_timestamp(&self, _: &DispatchQuerySet, _: u32) {
        foreign("queries")
    }

    fn resolve_query_set(
        &self,
        _: &DispatchQuerySet,
        _: u32,
        _: u32,
        _: &DispatchBuffer,
        _: BufferAddress,
    ) {
        foreign("queries")
    }

    fn mark_acceleration_structures_built<'a>(
        &self,
        _: &mut dyn Iterator<Item = &'a wgpu::Blas>,
        _: &mut dyn Iterator<Item = &'a wgpu::Tlas>,
    ) {
        foreign("acceleration structures")
    }

    fn build_acceleration_structures<'a>(
        &self,
        _: &mut dyn Iterator<Item = &'a wgpu::BlasBuildEntry<'a>>,
        _: &mut dyn Iterator<Item = &'a wgpu::Tlas>,
    ) {
        foreign("acceleration structures")
    }

    fn transition_resources<'a>(
        &mut self,
        _: &mut dyn Iterator<Item = BufferTransition<&'a DispatchBuffer>>,
        _: &mut dyn Iterator<Item = TextureTransition<&'a DispatchTexture>>,
    ) {
        foreign("transitions")
    }
}

impl ComputePassInterface for Pass {
    fn set_pipeline(&mut self, pipeline: &DispatchComputePipeline) {
        let pipeline = pipeline
            .as_custom::<Pipeline>()
            .expect("a pipeline of Dawn's");
        self.pipeline = pipeline.0.id;
    }

    fn set_bind_group(&mut self, index: u32, group: Option<&DispatchBindGroup>, offsets: &[u32]) {
        assert!(
            index == 0 && offsets.is_empty(),
            "kernels have one group without offsets"
        );
        let group = group.and_then(|group| group.as_custom::<Group>());
        self.group = group.expect("a group of Dawn's").0.id;
    }

    fn dispatch_workgroups(&mut self, x: u32, y: u32, z: u32) {
        let (pipeline, group) = (self.pipeline, self.group);
        let workgroups = [x, y, z];
        let dispatch = json!({ "pipeline": pipeline, "group": group, "workgroups": workgroups });
        self.dispatches.push(dispatch);
    }

    fn insert_debug_marker(&mut self, _: &str) {}

    fn push_debug_group(&mut self, _: &str) {}

    fn pop_debug_group(&mut self) {}

    fn set_immediates(&mut self, _: u32, _: &[u8]) {
        foreign("immediates")
    }

    fn write_timestamp(&mut self, _: &DispatchQuerySet, _: u32) {
        foreign("queries")
    }

    fn begin_pipeline_statistics_query(&mut self, _: &DispatchQuerySet, _: u32) {
        foreign("queries")
    }

    fn end_pipeline_statistics_query(&mut self) {
        foreign("queries")
    }

    fn dispatch_workgroups_indirect(&mut self, _: &DispatchBuffer, _: BufferAddress) {
        foreign("indirect dispatches")
    }

    fn transition_resources<'a>(
        &mut self,
        _: &mut dyn Iterator<Item = BufferTransition<&'a DispatchBuffer>>,
        _: &mut dyn Iterator<Item = TextureTransition<&'a DispatchTextureView>>,
    ) {
        foreign("transitions")
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let dispatches = std::mem::take(&mut self.dispatches);
        push(&self.commands, json!({ "dispatches": dispatches }));
    }
}
