//! As `wgpu-hal/src/vulkan`: `adapter.rs` allows the capabilities, `device.rs` sets the checks.

use naga::back::spv::{
    Capability, Options, PipelineOptions, WriterFlags, ZeroInitializeWorkgroupMemoryMode, write_vec,
};
use relattn::Checks;

use super::{Module, policies};

/// What kernels may ask for: of every device, and of one with wgpu's subgroups.
const CAPABILITIES: [Capability; 6] = [
    Capability::Shader,
    Capability::GroupNonUniform,
    Capability::GroupNonUniformVote,
    Capability::GroupNonUniformArithmetic,
    Capability::GroupNonUniformBallot,
    Capability::GroupNonUniformShuffle,
];

pub(super) fn write(
    module: &Module,
    lang_version: (u8, u8),
    checks: Checks,
) -> Result<Vec<u32>, String> {
    let entry = module.entry();
    let checked = checks == Checks::All;
    let options = Options {
        lang_version,
        flags: WriterFlags::LABEL_VARYINGS | WriterFlags::FORCE_POINT_SIZE,
        capabilities: Some(CAPABILITIES.into_iter().collect()),
        bounds_check_policies: policies(checks),
        zero_initialize_workgroup_memory: if checked {
            ZeroInitializeWorkgroupMemoryMode::Polyfill
        } else {
            ZeroInitializeWorkgroupMemoryMode::None
        },
        force_loop_bounding: checked,
        emit_int_div_checks: checked,
        ..Options::default()
    };
    let pipeline = PipelineOptions {
        shader_stage: entry.stage,
        entry_point: entry.name.clone(),
    };
    write_vec(&module.module, &module.info, &options, Some(&pipeline))
        .map_err(|error| error.to_string())
}
