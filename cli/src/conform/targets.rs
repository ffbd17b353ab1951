//! The devices to prove.

use std::collections::HashMap;

use relattn::wgpu::Backends;
use relattn_conformance::adapters::{Adapter, adapters_of};

use crate::args::{BackendKind, ConformArgs};
use crate::devices::driver;
use crate::fault::Fault;

/// A device of an adapter.
pub(super) struct Target {
    /// The adapter, the features of the device, and a number where another one has the same.
    pub(super) name: String,
    /// The backend of wgpu.
    pub(super) backend: String,
    /// The driver and its version.
    pub(super) driver: String,
    /// Why there is no device.
    pub(super) unusable: Option<String>,
    /// How the worker is told the backend.
    pub(super) kind: BackendKind,
    /// Which of the devices of the backend.
    pub(super) number: usize,
}

impl Target {
    /// `backend/name`.
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.backend, self.name)
    }
}

/// Backend by backend, so that a number says the same to a process that asks for one backend alone.
const BACKENDS: [BackendKind; 4] = [
    BackendKind::Vulkan,
    BackendKind::Metal,
    BackendKind::Dx12,
    BackendKind::Gl,
];

/// Those that are asked for.
pub(super) fn of(args: &ConformArgs) -> Result<Vec<Target>, Fault> {
    let kinds = BACKENDS.into_iter();
    let mut targets: Vec<Target> = kinds
        .filter(|kind| args.backend.is_none_or(|wanted| wanted == *kind))
        .flat_map(of_backend)
        .collect();
    number_namesakes(&mut targets);
    let known: Vec<String> = targets.iter().map(Target::label).collect();
    targets.retain(|target| is_asked_for(args, &target.label()));
    if targets.is_empty() {
        return Err(Fault::NoAdapter {
            asked: asked(args),
            known,
        });
    }
    Ok(targets)
}

/// Whether the text of --device is in a label.
pub(super) fn is_asked_for(args: &ConformArgs, label: &str) -> bool {
    let wanted = args.device.as_ref();
    wanted.is_none_or(|text| label.to_lowercase().contains(&text.to_lowercase()))
}

fn asked(args: &ConformArgs) -> String {
    let device = args
        .device
        .as_deref()
        .map(|name| format!("is called {name:?}"));
    let backend = args.backend.map(|kind| format!("has the backend {kind:?}"));
    let asked: Vec<String> = backend.into_iter().chain(device).collect();
    if asked.is_empty() {
        "is there".into()
    } else {
        asked.join(" and ")
    }
}

/// The devices of a backend, in the order of a worker.
pub(super) fn devices_of(kind: BackendKind) -> Vec<Adapter> {
    adapters_of(Backends::from(kind), |_| ())
}

fn of_backend(kind: BackendKind) -> Vec<Target> {
    let devices = devices_of(kind).into_iter().enumerate();
    let targets = devices.map(|(number, adapter)| {
        let backend = adapter.info.backend.to_string();
        let name = adapter.name.strip_prefix(&format!("{backend}/"));
        Target {
            name: name.unwrap_or(&adapter.name).to_owned(),
            driver: driver(&adapter.info),
            unusable: adapter.context.err(),
            backend,
            kind,
            number,
        }
    });
    targets.collect()
}

fn number_namesakes(targets: &mut [Target]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for target in targets {
        let count = seen.entry(target.label()).or_default();
        *count += 1;
        if *count > 1 {
            target.name = format!("{} ({count})", target.name);
        }
    }
}
