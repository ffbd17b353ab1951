//! As `wgpu-hal/src/gles/device.rs`: slots are counted for uniforms and for storage buffers, and naga checks no index.

use naga::back::glsl::{BindingMap, Options, PipelineOptions, Version, Writer, WriterFlags};
use relattn::Checks;

use super::{Kind, Module, Translation, policies};

pub(super) fn write(
    module: &Module,
    version: Version,
    checks: Checks,
) -> Result<Translation, String> {
    let entry = module.entry();
    let mut writer_flags = WriterFlags::ADJUST_COORDINATE_SPACE | WriterFlags::FORCE_POINT_SIZE;
    writer_flags.set(WriterFlags::DRAW_PARAMETERS, !version.is_es());
    let options = Options {
        version,
        writer_flags,
        binding_map: slots(module),
        zero_initialize_workgroup_memory: checks == Checks::All,
    };
    let pipeline = PipelineOptions {
        shader_stage: entry.stage,
        entry_point: entry.name.clone(),
        multiview: None,
    };
    let mut source = String::new();
    let writer = Writer::new(
        &mut source,
        &module.module,
        &module.info,
        &options,
        &pipeline,
        policies(Checks::None),
    );
    let written = writer.and_then(|mut writer| writer.write());
    written.map_err(|error| error.to_string())?;
    Ok(Translation::Text {
        source,
        entry: "main".into(),
    })
}

fn slots(module: &Module) -> BindingMap {
    let mut map = BindingMap::default();
    let mut next = [0; 2];
    for buffer in module.buffers() {
        let slot = &mut next[usize::from(buffer.kind != Kind::Uniform)];
        map.insert(buffer.binding, *slot);
        *slot += 1;
    }
    map
}
