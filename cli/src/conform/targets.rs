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
    /// What tells it from the one that has this number once another is gone.
    pub(super) identity: String,
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

/// The device of a number, refused where it is another than the one of this identity.
pub(super) fn device(kind: BackendKind, number: usize, needed: &str) -> Result<Adapter, Fault> {
    let found = devices_of(kind).into_iter().nth(number);
    match found {
        Some(adapter) if identity(&adapter) == needed => Ok(adapter),
        other => Err(Fault::OtherDevice {
            number,
            found: other.map_or_else(|| "gone".into(), |adapter| identity(&adapter)),
            needed: needed.to_owned(),
        }),
    }
}

/// Its label and, where it is known, its place on the bus, since two of one name may be there.
fn identity(adapter: &Adapter) -> String {
    let place = &adapter.info.device_pci_bus_id;
    if place.is_empty() {
        adapter.name.clone()
    } else {
        format!("{} at {place}", adapter.name)
    }
}

/// The devices of a backend, in the order of a worker.
fn devices_of(kind: BackendKind) -> Vec<Adapter> {
    let mut devices = adapters_of(Backends::from(kind), |_| ());
    number_namesakes(&mut devices);
    devices
}

fn of_backend(kind: BackendKind) -> Vec<Target> {
    let devices = devices_of(kind).into_iter().enumerate();
    let targets = devices.map(|(number, adapter)| {
        let backend = adapter.info.backend.to_string();
        let name = adapter.name.strip_prefix(&format!("{backend}/"));
        Target {
            name: name.unwrap_or(&adapter.name).to_owned(),
            driver: driver(&adapter.info),
            identity: identity(&adapter),
            unusable: adapter.context.err(),
            backend,
            kind,
            number,
        }
    });
    targets.collect()
}

fn number_namesakes(devices: &mut [Adapter]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for device in devices {
        let count = seen.entry(device.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            device.name = format!("{} ({count})", device.name);
        }
    }
}
