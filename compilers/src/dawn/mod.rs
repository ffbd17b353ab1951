//! A device of wgpu that Dawn plays, WebGPU's implementation in Chromium: Tint compiles its kernels, in the dialect of browsers.
//!
//! Calls go to a process of Node.js that has Dawn as a package ([`process`]); what wgpu would report as an uncaptured error is a panic
//! here as it is there. Only what compute passes need is there.

mod buffer;
mod commands;
mod device;
mod objects;
pub mod process;

use std::sync::Arc;

use relattn::{Capabilities, Context};
use relattn_conformance::adapters::Adapter;
use serde_json::{Value, json};

use process::Process;

/// What an adapter of Dawn says of itself.
#[derive(Clone, Debug)]
struct Facts {
    name: String,
    driver: String,
    software: bool,
    /// The fewest and the most invocations of a subgroup; nothing without subgroup operations.
    subgroups: Option<[u32; 2]>,
    storage_buffers: u32,
}

/// What wgpu's interface has and compute passes never ask for; a suite that did would have to stop.
fn foreign(what: &str) -> ! {
    panic!("a device for compute passes alone has nothing to do with {what}")
}

/// A device with WebGPU's default limits, and one with all that kernels make use of; as `relattn_conformance::adapters`.
///
/// # Errors
/// Why there is none, in words.
pub fn adapters() -> Result<Vec<Adapter>, String> {
    let default = Capabilities::WEBGPU_DEFAULT.storage_buffers;
    let most = |facts: &Facts| (facts.subgroups, facts.storage_buffers);
    Ok(vec![
        adapter("", |_| (None, default))?,
        adapter(" with SUBGROUP", most)?,
    ])
}

/// A device of a process of its own, with the subgroups and the storage buffers that are chosen of what there is.
fn adapter(
    suffix: &str,
    choose: impl Fn(&Facts) -> (Option<[u32; 2]>, u32),
) -> Result<Adapter, String> {
    let process = Process::start(&[])?;
    let facts = Facts::ask(&process)?;
    let (subgroups, storage_buffers) = choose(&facts);
    let facts = Facts {
        subgroups,
        storage_buffers,
        ..facts
    };
    open(&process, &facts)?;
    let (device, queue) = device::new(Arc::new(process), &facts);
    Ok(Adapter {
        name: format!("Dawn/{}{suffix}", facts.name),
        info: device.adapter_info(),
        context: Ok(Context::new(&device, &queue)),
        one_at_a_time: true,
        larger: false,
    })
}

/// A process with Dawn's null backend, which compiles and runs nothing: for what Tint accepts, on any machine.
///
/// # Errors
/// Why there is none, in words.
pub fn tint() -> Result<Process, String> {
    let process = Process::start(&["backend=null"])?;
    let facts = Facts::ask(&process)?;
    open(&process, &facts)?;
    Ok(process)
}

fn open(process: &Process, facts: &Facts) -> Result<(), String> {
    process.ask(&json!({
        "op": "device",
        "subgroups": facts.subgroups.is_some(),
        "storageBuffers": facts.storage_buffers,
    }))?;
    Ok(())
}

impl Facts {
    fn ask(process: &Process) -> Result<Self, String> {
        let found = process.ask(&json!({ "op": "adapter" }))?;
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        let sizes = [0, 1].map(|n| number(&found["subgroupSizes"][n]));
        let has_subgroups = found["subgroups"].as_bool() == Some(true);
        Ok(Self {
            name: text("name"),
            driver: text("device"),
            software: found["software"].as_bool() == Some(true),
            subgroups: has_subgroups.then_some(sizes),
            storage_buffers: number(&found["storageBuffers"]),
        })
    }
}

fn number(value: &Value) -> u32 {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.unwrap_or(0)
}
