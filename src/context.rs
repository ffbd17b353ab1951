//! The caller's device, and what is planned for it.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::compile::compile;
use crate::pipelines::Pipelines;
use crate::plan::{
    Algorithm, Backward, BackwardPipelines, BackwardVariant, BucketIndex, Budget, Candidate,
    Family, Forward, GradientFamily, Kernel, Merge, Origin, RopeVariant, RotaryEmbedding,
    TablePipelines, Variant, Wanted, choose, choose_backward_of,
};
use crate::tune::Tuning;
use crate::watch::{is_lost, watched};
use crate::{Capabilities, Checks, Error, IndexFormat, MatrixSizes, Problem, Rotation, Thresholds};

/// The caller's device, and the kernels compiled for it so far, which clones share.
#[derive(Clone, Debug)]
pub struct Context {
    device: wgpu::Device,
    queue: wgpu::Queue,
    capabilities: Capabilities,
    checks: Checks,
    driver_cache: Option<wgpu::PipelineCache>,
    pipelines: Arc<Pipelines>,
    pub(crate) tuning: Arc<Tuning>,
}

impl Context {
    /// Clones the handles; creates nothing on the device.
    #[must_use]
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let capabilities = Capabilities::of(device);
        Self {
            device: device.clone(),
            queue: queue.clone(),
            capabilities,
            checks: Checks::None,
            driver_cache: None,
            pipelines: Arc::default(),
            tuning: Arc::new(Tuning::new(device, &capabilities)),
        }
    }

    /// Compiles with these run-time checks from now on; without this call with none.
    #[must_use]
    pub const fn with_checks(mut self, checks: Checks) -> Self {
        self.checks = checks;
        self
    }

    /// Uses products of matrices, of the sizes that the device's adapter has, for tensors of f16 from now on. A device that was requested
    /// without them, as by other than [`Capabilities::descriptor_with_matrices`], has none, which [`Forward::reasons`] then tells.
    #[must_use]
    pub fn with_matrices(mut self, adapter: &wgpu::Adapter) -> Self {
        let has = self
            .device
            .features()
            .contains(Capabilities::MATRIX_FEATURES);
        self.capabilities.matrices = if has {
            MatrixSizes::of(adapter)
        } else {
            MatrixSizes::NONE
        };
        self
    }

    /// Lets the driver take what it has compiled before from this cache, and put there what it compiles from now on. It needs
    /// [`wgpu::Features::PIPELINE_CACHE`]; the caller makes it, and keeps its data from one process to the next.
    #[must_use]
    pub fn with_driver_cache(mut self, cache: &wgpu::PipelineCache) -> Self {
        self.driver_cache = Some(cache.clone());
        self
    }

    /// Keeps at most this many pipelines, 256 without this call, shared with every clone; the least recently used is dropped first. Passes
    /// that hold one keep it.
    #[must_use]
    pub fn with_pipeline_limit(self, limit: NonZeroUsize) -> Self {
        self.pipelines.limit(limit);
        self
    }

    /// How many pipelines are kept at present.
    #[must_use]
    pub fn kept_pipelines(&self) -> usize {
        self.pipelines.count()
    }

    /// The device.
    #[must_use]
    pub const fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// The queue.
    #[must_use]
    pub const fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// What the device offers.
    #[must_use]
    pub const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// What is checked while kernels run.
    #[must_use]
    pub const fn checks(&self) -> Checks {
        self.checks
    }

    /// Compiles the forward pass of a problem, or reuses a kernel: another length, stride or offset compiles nothing, but that rows that begin
    /// at multiples of four numbers and those that do not have a kernel each.
    ///
    /// The kernel is that of [`choose`], or the one that [`Self::tune`] found to be faster for problems of this class.
    ///
    /// # Errors
    /// A device that offers less than every kernel needs, is out of memory or lost.
    pub fn forward(&self, problem: &Problem) -> Result<Forward, Error> {
        if let Some((candidate, timing)) = self.tuned_forward(problem) {
            return self.assemble_forward(problem, candidate, Origin::Tuned(timing));
        }
        let variant = choose(problem, &self.capabilities)?;
        let candidate = Candidate::chosen(problem, &variant, &self.capabilities);
        self.assemble_forward(problem, candidate, Origin::Rules)
    }

    /// Compiles the forward pass of a problem by one of [`crate::plan::candidates`], whatever is the best.
    ///
    /// # Errors
    /// A candidate that is none of this problem on this device; a device that is out of memory or lost.
    pub fn forward_by(&self, problem: &Problem, candidate: Candidate) -> Result<Forward, Error> {
        candidate.check(problem, &self.capabilities)?;
        self.assemble_forward(problem, candidate, Origin::Caller)
    }

    fn assemble_forward(
        &self,
        problem: &Problem,
        candidate: Candidate,
        origin: Origin,
    ) -> Result<Forward, Error> {
        let pair = (candidate.algorithm, candidate.rows);
        let variant = Variant::new(problem, &self.capabilities, pair);
        let decodes = variant.algorithm == Algorithm::Decode;
        let merge = Kernel::DecodeMerge {
            dtype: variant.dtype,
            value_dim: variant.value_dim,
        };
        Ok(Forward {
            device: self.device.clone(),
            problem: problem.clone(),
            capabilities: self.capabilities,
            origin,
            variant,
            pipeline: self.pipeline(Kernel::Forward(variant))?,
            tables: self.table_pipelines(problem)?,
            merge_pipeline: decodes.then(|| self.pipeline(merge)).transpose()?,
            splits: candidate.splits,
            stretch: None,
            budget: Budget::default(),
        })
    }

    /// Compiles the backward pass of a problem, with every gradient that it has.
    ///
    /// # Errors
    /// As [`Self::backward_of`].
    pub fn backward(&self, problem: &Problem) -> Result<Backward, Error> {
        self.backward_of(problem, Wanted::all(problem))
    }

    /// Compiles the backward pass of a problem, or reuses its kernels, with some gradients of the bias alone.
    ///
    /// The kernels are those of [`crate::plan::choose_backward`], or those that [`Self::tune_backward`] found to be faster for problems of
    /// this class.
    ///
    /// # Errors
    /// A paged cache; a gradient that the problem does not have; a device that offers less than every kernel needs, is out of memory or
    /// lost.
    pub fn backward_of(&self, problem: &Problem, wanted: Wanted) -> Result<Backward, Error> {
        self.plan_backward(problem, wanted, |kernel| self.pipeline(kernel))
    }

    /// Compiles the backward pass of a problem by one of [`crate::plan::candidates_backward`], whatever is the best, with every gradient
    /// that the problem has.
    ///
    /// # Errors
    /// As [`Self::backward_of`], and a candidate that is none of this problem on this device.
    pub fn backward_by(&self, problem: &Problem, candidate: Candidate) -> Result<Backward, Error> {
        self.plan_backward_by(problem, candidate, |kernel| self.pipeline(kernel))
    }

    pub(crate) fn plan_backward_by(
        &self,
        problem: &Problem,
        candidate: Candidate,
        pipeline: impl Fn(Kernel) -> Result<wgpu::ComputePipeline, Error>,
    ) -> Result<Backward, Error> {
        let wanted = Wanted::all(problem);
        let variants = candidate.backward(problem, wanted, &self.capabilities)?;
        self.assemble_backward(problem, wanted, variants, Origin::Caller, pipeline)
    }

    pub(crate) fn plan_backward(
        &self,
        problem: &Problem,
        wanted: Wanted,
        pipeline: impl Fn(Kernel) -> Result<wgpu::ComputePipeline, Error>,
    ) -> Result<Backward, Error> {
        wanted.check(problem)?;
        let (variants, origin) = match self.tuned_backward(problem, wanted) {
            Some((variants, timing)) => (variants, Origin::Tuned(timing)),
            None => {
                let variants = choose_backward_of(problem, wanted, &self.capabilities)?;
                (variants, Origin::Rules)
            }
        };
        self.assemble_backward(problem, wanted, variants, origin, pipeline)
    }

    fn assemble_backward(
        &self,
        problem: &Problem,
        wanted: Wanted,
        [queries, keys]: [BackwardVariant; 2],
        origin: Origin,
        pipeline: impl Fn(Kernel) -> Result<wgpu::ComputePipeline, Error>,
    ) -> Result<Backward, Error> {
        let statistics = Kernel::BackwardStatistics {
            dtype: problem.dtype(),
            value_dim: problem.value_dim(),
        };
        let families = problem.biases().filter_map(GradientFamily::of);
        let gradients = queries.gradients;
        let fire = problem.fire().filter(|_| gradients.fire);
        let fire = fire.map(|(width, _)| pipeline(Kernel::FireGradient { width }));
        let optional = |used: bool, kernel| used.then(|| pipeline(kernel)).transpose();
        Ok(Backward {
            device: self.device.clone(),
            problem: problem.clone(),
            capabilities: self.capabilities,
            origin,
            wanted,
            queries,
            keys,
            pipelines: BackwardPipelines {
                tables: self.table_pipelines(problem)?,
                statistics: pipeline(statistics)?,
                queries: pipeline(Kernel::Backward(queries))?,
                keys: pipeline(Kernel::Backward(keys))?,
                partial_sums: pipeline(Kernel::PartialSums)?,
                offset_gradients: families
                    .map(|family| pipeline(Kernel::OffsetGradient(family)))
                    .collect::<Result<_, _>>()?,
                index_gradient: optional(gradients.index, Kernel::IndexGradient)?,
                fire_gradient: fire.transpose()?,
                clear_dbias: optional(wanted.bias, Kernel::ClearDbias)?,
                copy_words: pipeline(Kernel::CopyWords)?,
            },
            budget: Budget::default(),
        })
    }

    /// Compiles the bucket-index matrix `[q_len, k_len]`, or reuses its kernel.
    #[must_use]
    pub fn bucket_index(
        &self,
        thresholds: &Thresholds,
        [q_len, k_len]: [u32; 2],
        query_offset: i32,
        format: IndexFormat,
    ) -> BucketIndex {
        BucketIndex {
            device: self.device.clone(),
            pipeline: self.pipeline(Kernel::BucketIndex(format)),
            thresholds: thresholds.clone(),
            format,
            q_len,
            k_len,
            query_offset,
        }
    }

    /// Compiles the merge of attention over parts of the keys, or reuses its kernel: `parts` results of `rows` rows, those of
    /// `[B, H, Nq]`, with `value_dim` features.
    #[must_use]
    pub fn merge(&self, parts: u32, rows: u32, value_dim: u32) -> Merge {
        Merge {
            device: self.device.clone(),
            pipeline: self.pipeline(Kernel::Merge),
            parts,
            rows,
            value_dim,
        }
    }

    /// Compiles a rotation, or reuses its kernels: other sizes, strides, frequencies or positions compile nothing.
    #[must_use]
    pub fn rope(&self, rotation: &Rotation) -> RotaryEmbedding {
        let pipeline = |in_place| self.pipeline(Kernel::Rope(RopeVariant::of(rotation, in_place)));
        RotaryEmbedding {
            device: self.device.clone(),
            rotation: rotation.clone(),
            pipeline: pipeline(false),
            in_place_pipeline: pipeline(true),
        }
    }

    fn table_pipelines(&self, problem: &Problem) -> Result<TablePipelines, Error> {
        let families = problem.biases().filter_map(Family::of);
        let fire = problem
            .fire()
            .map(|(width, _)| self.pipeline(Kernel::FireTable { width }));
        Ok(TablePipelines {
            offset: families
                .map(|family| self.pipeline(Kernel::OffsetTable(family)))
                .collect::<Result<_, _>>()?,
            fire: fire.transpose()?,
        })
    }

    pub(crate) fn pipeline(&self, kernel: Kernel) -> Result<wgpu::ComputePipeline, Error> {
        let compile = || self.compile(kernel, &kernel.text());
        self.pipelines.get(kernel, self.checks, compile)
    }

    /// Compiles another text with the bindings of a kernel; nothing keeps it.
    pub(crate) fn compile(
        &self,
        kernel: Kernel,
        text: &str,
    ) -> Result<wgpu::ComputePipeline, Error> {
        let cache = self.driver_cache.as_ref();
        let compile = || Ok(compile(&self.device, cache, self.checks, kernel, text));
        let pipeline = watched(&self.device, compile)?;
        // A lost device makes an invalid pipeline, and says nothing.
        if is_lost(&self.device) {
            return Err(Error::DeviceLost);
        }
        Ok(pipeline)
    }
}
