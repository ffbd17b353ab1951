//! What was tuned so far for one device, in memory and, where the caller names one, in a file.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::class::DeviceKey;
#[cfg(feature = "tuning-file")]
use super::file::{Record, TuningFile};
use crate::plan::{Candidate, Timing};
use crate::{Capabilities, Error};

/// The fastest candidate of a class, and its times.
pub(crate) type Fastest = (Candidate, Timing);

/// The fastest candidates of a device by class.
#[derive(Debug)]
pub(crate) struct Tuning {
    device: DeviceKey,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    by_class: HashMap<String, Fastest>,
    #[cfg(feature = "tuning-file")]
    file: Option<TuningFile>,
}

impl Tuning {
    /// Nothing so far.
    pub(crate) fn new(device: &wgpu::Device, capabilities: &Capabilities) -> Self {
        Self {
            device: DeviceKey::new(device, capabilities),
            found: Mutex::default(),
        }
    }

    /// What a file has for the device.
    #[cfg(feature = "tuning-file")]
    pub(crate) fn with_file(
        device: &wgpu::Device,
        capabilities: &Capabilities,
        file: TuningFile,
    ) -> Self {
        let device = DeviceKey::new(device, capabilities);
        let by_class = file.of(&device).collect();
        let file = Some(file);
        Self {
            device,
            found: Mutex::new(Found { by_class, file }),
        }
    }

    /// The fastest of a class, whose name is made only where anything was tuned.
    pub(crate) fn find(&self, class: impl FnOnce() -> String) -> Option<Fastest> {
        let found = self.found();
        if found.by_class.is_empty() {
            return None;
        }
        found.by_class.get(&class()).copied()
    }

    /// Remembers what is the fastest of a class, first in memory.
    pub(crate) fn keep(&self, class: String, fastest: Fastest) -> Result<(), Error> {
        let mut found = self.found();
        found.by_class.insert(class.clone(), fastest);
        #[cfg(feature = "tuning-file")]
        if let Some(file) = &mut found.file {
            file.put(Record::new(&self.device, class, fastest))?;
        }
        Ok(())
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
