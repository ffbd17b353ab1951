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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::Pipelines;
    use crate::plan::Kernel;
    use crate::{Checks, Error};

    /// Of a device that validates everything and executes nothing.
    fn pipeline() -> wgpu::ComputePipeline {
        let (device, _) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl("@compute @workgroup_size(1) fn main() {}".into()),
        });
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        })
    }

    #[test]
    fn nobody_waits_for_the_compilation_of_another_kernel() {
        let (pipelines, compiled) = (Pipelines::default(), pipeline());
        let get = |kernel, compile: &dyn Fn()| {
            let compile = || {
                compile();
                Ok(compiled.clone())
            };
            pipelines.get(kernel, Checks::None, compile)
        };
        let (begun, is_begun) = channel();
        let (release, released) = channel::<()>();
        let (got, is_got) = channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                let slow = || {
                    begun.send(()).expect("somebody who waits");
                    // An error where the test has failed.
                    let _ = released.recv();
                };
                get(Kernel::Merge, &slow).expect("a pipeline");
            });
            scope.spawn(move || {
                is_begun.recv().expect("a compilation");
                get(Kernel::CopyWords, &|| ()).expect("a pipeline");
                got.send(()).expect("somebody who waits");
            });
            let waited = is_got.recv_timeout(Duration::from_secs(20));
            drop(release);
            waited.expect("the other kernel meanwhile");
        });
    }

    #[test]
    fn what_did_not_compile_is_not_kept() {
        let pipelines = Pipelines::default();
        let failed = pipelines.get(Kernel::Merge, Checks::None, || Err(Error::OutOfMemory));
        assert_eq!(failed.map(drop), Err(Error::OutOfMemory));
        assert_eq!(pipelines.count(), 0);
        let found = pipelines.get(Kernel::Merge, Checks::None, || Ok(pipeline()));
        assert_eq!((found.is_ok(), pipelines.count()), (true, 1));
    }
}
