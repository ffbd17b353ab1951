//! As `wgpu-hal/src/dx12/device.rs`: `create_pipeline_layout` counts registers of each kind, `load_shader` sets the checks.

use naga::back::hlsl::{BindTarget, BindingMap, Options, PipelineOptions, ShaderModel, Writer};
use relattn::Checks;

use super::{Kind, Module, Translation};

pub(super) fn write(
    module: &Module,
    shader_model: ShaderModel,
    checks: Checks,
) -> Result<Translation, String> {
    let (binding_map, special) = registers(module);
    let checked = checks == Checks::All;
    let options = Options {
        shader_model,
        binding_map,
        fake_missing_bindings: false,
        special_constants_binding: Some(special),
        zero_initialize_workgroup_memory: checked,
        restrict_indexing: checked,
        force_loop_bounding: checked,
        ..Options::default()
    };
    let entry = module.entry();
    let pipeline = PipelineOptions {
        entry_point: Some((entry.stage, entry.name.clone())),
    };
    let mut source = String::new();
    let mut names = Writer::new(&mut source, &options, &pipeline)
        .write(&module.module, &module.info, None)
        .map_err(|error| error.to_string())?
        .entry_point_names;
    let entry = match names.pop() {
        Some(name) => name.map_err(|error| error.to_string())?,
        None => return Err("no entry point was written".into()),
    };
    Ok(Translation::Text { source, entry })
}

/// The registers of the buffers, and that of the constants in which wgpu passes the number of workgroups.
fn registers(module: &Module) -> (BindingMap, BindTarget) {
    let mut map = BindingMap::default();
    let mut next = [0; 3];
    for buffer in module.buffers() {
        let register = &mut next[match buffer.kind {
            Kind::Uniform => 0,
            Kind::Read => 1,
            Kind::Written => 2,
        }];
        map.insert(buffer.binding, at(*register));
        *register += 1;
    }
    (map, at(next[0]))
}

fn at(register: u32) -> BindTarget {
    BindTarget {
        register,
        ..BindTarget::default()
    }
}
