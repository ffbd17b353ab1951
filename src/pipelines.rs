//! The kernels compiled so far, of which those go that were not asked for longest.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::plan::Kernel;
use crate::{Checks, Error};

/// How many pipelines are kept unless somebody asks for more or fewer: a model with every bias, mask and type in both directions
/// has fewer.
const KEPT: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// Pipelines by kernel. One that goes lives on in the passes that hold it.
#[derive(Debug)]
pub(crate) struct Pipelines {
    kept: Mutex<LruCache<(Kernel, Checks), wgpu::ComputePipeline>>,
}

impl Default for Pipelines {
    fn default() -> Self {
        let kept = Mutex::new(LruCache::new(KEPT));
        Self { kept }
    }
}

impl Pipelines {
    /// The pipeline of a kernel, compiled where it is not kept; once, even if several threads ask. What did not compile is not kept.
    pub(crate) fn get(
        &self,
        kernel: Kernel,
        checks: Checks,
        compile: impl FnOnce() -> Result<wgpu::ComputePipeline, Error>,
    ) -> Result<wgpu::ComputePipeline, Error> {
        let mut kept = self.kept();
        kept.try_get_or_insert((kernel, checks), compile).cloned()
    }

    pub(crate) fn limit(&self, limit: NonZeroUsize) {
        self.kept().resize(limit);
    }

    pub(crate) fn count(&self) -> usize {
        self.kept().len()
    }

    fn kept(&self) -> MutexGuard<'_, LruCache<(Kernel, Checks), wgpu::ComputePipeline>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
