//! The kernels compiled so far, of which the least recently used are dropped first.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::plan::Kernel;
use crate::{Checks, Error};

/// How many pipelines are kept unless somebody asks for more or fewer: a model with every bias, mask and type in both directions
/// has fewer.
const KEPT: NonZeroUsize = NonZeroUsize::new(256).unwrap();

type Key = (Kernel, Checks);
/// Empty while nobody has compiled the kernel. Who compiles it holds this lock and not that of the cache, since it may take minutes.
type Place = Arc<Mutex<Option<wgpu::ComputePipeline>>>;

/// Pipelines by kernel. One that goes lives on in the passes that hold it.
#[derive(Debug)]
pub(crate) struct Pipelines {
    kept: Mutex<LruCache<Key, Place>>,
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
        let key = (kernel, checks);
        let place = Arc::clone(lock(&self.kept).get_or_insert(key, Place::default));
        let mut pipeline = lock(&place);
        if let Some(pipeline) = pipeline.as_ref() {
            return Ok(pipeline.clone());
        }
        match compile() {
            Ok(compiled) => Ok(pipeline.insert(compiled).clone()),
            Err(error) => {
                self.forget(&key, &place);
                Err(error)
            }
        }
    }

    /// Removes a place that stayed empty, unless another one has taken it.
    fn forget(&self, key: &Key, place: &Place) {
        let mut kept = lock(&self.kept);
        if kept.peek(key).is_some_and(|kept| Arc::ptr_eq(kept, place)) {
            kept.pop(key);
        }
    }

    pub(crate) fn limit(&self, limit: NonZeroUsize) {
        lock(&self.kept).resize(limit);
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.kept).len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
