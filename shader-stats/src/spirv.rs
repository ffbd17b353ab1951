//! WGSL to SPIR-V as wgpu does it for a pipeline of a module without checks.

use naga::back::spv::{Options, PipelineOptions, ZeroInitializeWorkgroupMemoryMode, write_vec};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// A kernel ready for a driver.
#[derive(Debug)]
pub(crate) struct Spirv {
    pub(crate) words: Vec<u32>,
    /// The name of its one entry point.
    pub(crate) entry: String,
    /// Binding numbers of group 0, and whether each is a uniform.
    pub(crate) bindings: Vec<(u32, bool)>,
}

/// Compiles a module with one entry point.
pub(crate) fn compile(wgsl: &str) -> Result<Spirv, String> {
    let module = naga::front::wgsl::parse_str(wgsl).map_err(|error| error.emit_to_string(wgsl))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .validate(&module)
        .map_err(|error| error.emit_to_string(wgsl))?;
    let [entry] = module.entry_points.as_slice() else {
        return Err(format!(
            "{} entry points; allowed: one",
            module.entry_points.len()
        ));
    };
    let pipeline = PipelineOptions {
        shader_stage: entry.stage,
        entry_point: entry.name.clone(),
    };
    let words = write_vec(&module, &info, &options(), Some(&pipeline))
        .map_err(|error| error.to_string())?;
    let globals = module.global_variables.iter().filter_map(|(_, global)| {
        let binding = global.binding.as_ref()?;
        Some((binding.binding, global.space == naga::AddressSpace::Uniform))
    });
    Ok(Spirv {
        words,
        entry: entry.name.clone(),
        bindings: globals.collect(),
    })
}

fn options() -> Options<'static> {
    let unchecked = BoundsCheckPolicy::Unchecked;
    Options {
        lang_version: (1, 6),
        bounds_check_policies: BoundsCheckPolicies {
            index: unchecked,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        zero_initialize_workgroup_memory: ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Options::default()
    }
}
