//! `relattn devices`: what wgpu finds, and whether relattn runs there.

use relattn::wgpu::{self, Backends, DeviceType, Features};
use serde::Serialize;

use crate::adapters;
use crate::args::DevicesArgs;
use crate::fault::Fault;
use crate::figures;
use crate::output;

#[derive(Debug, Serialize)]
struct Found {
    name: String,
    backend: String,
    driver: String,
    #[serde(rename = "type")]
    kind: &'static str,
    subgroup_min: u32,
    subgroup_max: u32,
    f16: bool,
    timestamp_queries: bool,
    workgroup_memory: u32,
    max_storage_binding: u64,
    runs: bool,
    reason: Option<String>,
}

pub(crate) fn run(args: &DevicesArgs) -> Result<(), Fault> {
    let adapters = adapters::of(Backends::all());
    let found: Vec<Found> = adapters.iter().map(Found::of).collect();
    if args.json {
        output::print_json(&found);
    } else if found.is_empty() {
        output::print("wgpu finds no adapter here; relattn computes on the CPU (--device cpu).");
    } else {
        let blocks: Vec<String> = found.iter().map(Found::text).collect();
        output::print(&blocks.join("\n\n"));
        output::print(
            "\nChoose one with --device and a part of its heading; cpu and oracle always work.",
        );
    }
    Ok(())
}

impl Found {
    fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let limits = adapter.limits();
        let has = |feature| adapter.features().contains(feature);
        let reason = adapters::open(adapter).err();
        Self {
            backend: info.backend.to_string(),
            driver: driver(&info),
            kind: kind(info.device_type),
            subgroup_min: info.subgroup_min_size,
            subgroup_max: info.subgroup_max_size,
            f16: has(Features::SHADER_F16),
            timestamp_queries: has(Features::TIMESTAMP_QUERY),
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            max_storage_binding: limits.max_storage_buffer_binding_size,
            runs: reason.is_none(),
            reason,
            name: info.name,
        }
    }

    fn text(&self) -> String {
        let yes_no = |value| String::from(if value { "yes" } else { "no" });
        let runs = match &self.reason {
            None => "runs".into(),
            Some(reason) => format!("does not run: {reason}"),
        };
        let lines = [
            ("type", self.kind.into()),
            ("driver", self.driver.clone()),
            (
                "subgroup sizes",
                format!("{} to {}", self.subgroup_min, self.subgroup_max),
            ),
            ("f16 in shaders", yes_no(self.f16)),
            ("timestamp queries", yes_no(self.timestamp_queries)),
            (
                "workgroup memory",
                figures::bytes(self.workgroup_memory.into()),
            ),
            ("largest binding", figures::bytes(self.max_storage_binding)),
            ("relattn", runs),
        ];
        let heading = format!("{}/{}", self.backend, self.name);
        lines.into_iter().fold(heading, |text, (name, value)| {
            format!("{text}\n  {name:<19}{value}")
        })
    }
}

/// The driver and its version.
pub(crate) fn driver(info: &wgpu::AdapterInfo) -> String {
    let parts = [info.driver.as_str(), info.driver_info.as_str()];
    let named: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if named.is_empty() {
        "not named".into()
    } else {
        named.join(", ")
    }
}

/// The type of an adapter in words.
pub(crate) const fn kind(kind: DeviceType) -> &'static str {
    match kind {
        DeviceType::DiscreteGpu => "discrete GPU",
        DeviceType::IntegratedGpu => "integrated GPU",
        DeviceType::VirtualGpu => "virtual GPU",
        DeviceType::Cpu => "software, on the CPU",
        DeviceType::Other => "other",
    }
}
