//! What has no more to it than a number in Dawn's process.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use serde_json::json;
use wgpu::custom::{
    BindGroupInterface, BindGroupLayoutInterface, ComputePipelineInterface,
    DispatchBindGroupLayout, PipelineLayoutInterface, ShaderCompilationInfoFuture,
    ShaderModuleInterface,
};

use super::process::Process;

/// An object of Dawn's.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) id: u64,
    pub(super) process: Arc<Process>,
}

impl Object {
    pub(super) fn new(process: &Arc<Process>) -> Self {
        Self {
            id: process.id(),
            process: process.clone(),
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // A process that has ended has none of it.
        _ = self.process.ask(&json!({ "op": "drop", "id": self.id }));
    }
}

#[derive(Debug)]
pub(super) struct Module(pub(super) Object);

#[derive(Debug)]
pub(super) struct GroupLayout(pub(super) Object);

#[derive(Debug)]
pub(super) struct PipelineLayout(pub(super) Object);

#[derive(Debug)]
pub(super) struct Pipeline(pub(super) Object);

#[derive(Debug)]
pub(super) struct Group(pub(super) Object);

impl ShaderModuleInterface for Module {
    /// A module with errors is none here.
    fn get_compilation_info(&self) -> Pin<Box<dyn ShaderCompilationInfoFuture>> {
        let messages = Vec::new();
        Box::pin(ready(wgpu::CompilationInfo { messages }))
    }
}

impl BindGroupLayoutInterface for GroupLayout {}

impl PipelineLayoutInterface for PipelineLayout {}

impl BindGroupInterface for Group {}

impl ComputePipelineInterface for Pipeline {
    fn get_bind_group_layout(&self, index: u32) -> DispatchBindGroupLayout {
        assert_eq!(index, 0, "kernels have one group");
        let layout = Object::new(&self.0.process);
        let request = json!({ "op": "layout", "id": layout.id, "pipeline": self.0.id });
        layout.process.tell(&request);
        DispatchBindGroupLayout::custom(GroupLayout(layout))
    }
}

/// A future that is there.
pub(super) fn at_once<T: Send + 'static>(value: T) -> Pin<Box<impl Future<Output = T>>> {
    Box::pin(ready(value))
}
