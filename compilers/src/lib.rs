//! Every kernel through other shader compilers than those of the drivers that the tests run on.
//!
//! [`translate`] has naga write what wgpu gives to DirectX, Metal, OpenGL and Vulkan, with wgpu's own options; [`tools`] ask Khronos's
//! validators what they think of it. [`dawn`] is a device of wgpu that WebGPU's implementation in Chromium plays, so that Tint compiles
//! the kernels and the conformance suite runs on them as on any adapter. [`microsoft`] has DXC and FXC compile what goes to DirectX.

pub mod dawn;
pub mod kernels;
pub mod microsoft;
pub mod tools;
pub mod translate;
pub mod uniforms;
