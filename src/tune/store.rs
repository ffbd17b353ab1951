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
    found: Mutex<HashMap<String, Fastest>>,
    /// Under a lock of its own, so that nobody who plans a pass waits for a disk.
    #[cfg(feature = "tuning-file")]
    file: Mutex<Option<TuningFile>>,
}

impl Tuning {
    /// Nothing so far.
    pub(crate) fn new(device: &wgpu::Device, capabilities: &Capabilities) -> Self {
        Self {
            device: DeviceKey::new(device, capabilities),
            found: Mutex::default(),
            #[cfg(feature = "tuning-file")]
            file: Mutex::default(),
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
        Self {
            found: Mutex::new(file.of(&device).collect()),
            file: Mutex::new(Some(file)),
            device,
        }
    }

    /// The fastest of a class, whose name is made only where anything was tuned.
    pub(crate) fn find(&self, class: impl FnOnce() -> String) -> Option<Fastest> {
        let found = lock(&self.found);
        if found.is_empty() {
            return None;
        }
        found.get(&class()).copied()
    }

    /// Remembers what is the fastest of a class, first in memory.
    pub(crate) fn keep(&self, class: String, fastest: Fastest) -> Result<(), Error> {
        lock(&self.found).insert(class.clone(), fastest);
        #[cfg(feature = "tuning-file")]
        if let Some(file) = &mut *lock(&self.file) {
            file.put(Record::new(&self.device, class, fastest))?;
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
