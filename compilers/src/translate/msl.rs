//! As `wgpu-hal/src/metal/device.rs`: buffers in the order of the layout, and behind them one for the sizes of the others.

use naga::back::msl::{
    BindTarget, EntryPointResourceMap, EntryPointResources, Options, PipelineOptions, write_string,
};
use relattn::Checks;

use super::{Kind, Module, Translation, policies};

pub(super) fn write(
    module: &Module,
    lang_version: (u8, u8),
    checks: Checks,
) -> Result<Translation, String> {
    let entry = module.entry();
    let checked = checks == Checks::All;
    let options = Options {
        lang_version,
        per_entry_point_map: EntryPointResourceMap::from([(entry.name.clone(), slots(module))]),
        fake_missing_bindings: false,
        bounds_check_policies: policies(checks),
        zero_initialize_workgroup_memory: checked,
        force_loop_bounding: checked,
        emit_int_div_checks: checked,
        ..Options::default()
    };
    let pipeline = PipelineOptions {
        entry_point: Some((entry.stage, entry.name.clone())),
        vertex_pulling_transform: true,
        ..PipelineOptions::default()
    };
    let (source, mut info) = write_string(&module.module, &module.info, &options, &pipeline)
        .map_err(|error| error.to_string())?;
    let entry = match info.entry_point_names.pop() {
        Some(name) => name.map_err(|error| error.to_string())?,
        None => return Err("no entry point was written".into()),
    };
    Ok(Translation::Text { source, entry })
}

fn slots(module: &Module) -> EntryPointResources {
    let mut resources = EntryPointResources::default();
    let mut slot = 0;
    for buffer in module.buffers() {
        let target = BindTarget {
            buffer: Some(slot),
            mutable: buffer.kind == Kind::Written,
            ..BindTarget::default()
        };
        resources.resources.insert(buffer.binding, target);
        slot += 1;
    }
    resources.sizes_buffer = Some(slot);
    resources
}
