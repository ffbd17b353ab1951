//! The text of every kernel that a call compiles, for whoever inspects it without a device.

use super::backward::sums::GradientFamily;
use super::{Algorithm, Family, Kernel, RopeVariant, choose, choose_backward};
use crate::shader::Dialect;
use crate::{Capabilities, Error, IndexFormat, Problem, Rotation};

/// A kernel's name, and its complete WGSL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelText {
    /// What pipelines and bind groups are labelled with.
    pub name: String,
    /// One entry point, which indexes without bounds checks; in the dialect of naga.
    pub wgsl: String,
    /// Whether it has subgroup operations.
    pub subgroups: bool,
}

impl KernelText {
    /// The text for a compiler that reads another dialect.
    #[must_use]
    pub fn in_dialect(&self, dialect: Dialect) -> String {
        dialect.translate(&self.wgsl, self.subgroups).into_owned()
    }

    /// What [`crate::Context::forward`] compiles on a device with these capabilities.
    ///
    /// # Errors
    /// As [`choose`].
    pub fn of_forward(problem: &Problem, capabilities: &Capabilities) -> Result<Vec<Self>, Error> {
        let variant = choose(problem, capabilities)?;
        let mut kernels = vec![Kernel::Forward(variant)];
        if variant.algorithm == Algorithm::Decode {
            kernels.push(Kernel::DecodeMerge {
                dtype: variant.dtype,
                value_dim: variant.value_dim,
            });
        }
        kernels.extend(tables(problem));
        Ok(Self::of(kernels))
    }

    /// What [`crate::Context::backward`] compiles on a device with these capabilities.
    ///
    /// # Errors
    /// As [`choose_backward`].
    pub fn of_backward(problem: &Problem, capabilities: &Capabilities) -> Result<Vec<Self>, Error> {
        let [queries, keys] = choose_backward(problem, capabilities)?;
        let mut kernels = vec![
            Kernel::Backward(queries),
            Kernel::Backward(keys),
            Kernel::BackwardStatistics {
                dtype: problem.dtype(),
                value_dim: problem.value_dim(),
            },
            Kernel::PartialSums,
            Kernel::CopyWords,
        ];
        let families = problem.biases().filter_map(GradientFamily::of);
        kernels.extend(families.map(Kernel::OffsetGradient));
        let fire = problem.fire().filter(|_| queries.gradients.fire);
        kernels.extend(fire.map(|(width, _)| Kernel::FireGradient { width }));
        for (used, kernel) in [
            (queries.gradients.index, Kernel::IndexGradient),
            (problem.dense().is_some(), Kernel::ClearDbias),
        ] {
            kernels.extend(used.then_some(kernel));
        }
        kernels.extend(tables(problem));
        Ok(Self::of(kernels))
    }

    /// What [`crate::Context::rope`] compiles: from one tensor to another, and in place.
    #[must_use]
    pub fn of_rope(rotation: &Rotation) -> Vec<Self> {
        let variants = [false, true].map(|in_place| RopeVariant::of(rotation, in_place));
        Self::of(variants.map(Kernel::Rope))
    }

    /// What [`crate::Context::bucket_index`] compiles.
    #[must_use]
    pub fn of_bucket_index(format: IndexFormat) -> Self {
        Self::from(Kernel::BucketIndex(format))
    }

    /// What [`crate::Context::merge`] compiles.
    #[must_use]
    pub fn of_merge() -> Self {
        Self::from(Kernel::Merge)
    }

    fn of(kernels: impl IntoIterator<Item = Kernel>) -> Vec<Self> {
        kernels.into_iter().map(Self::from).collect()
    }
}

impl From<Kernel> for KernelText {
    fn from(kernel: Kernel) -> Self {
        Self {
            name: kernel.label(),
            wgsl: kernel.text(),
            subgroups: kernel.uses_subgroups(),
        }
    }
}

fn tables(problem: &Problem) -> Vec<Kernel> {
    let offset = problem.biases().filter_map(Family::of);
    let fire = problem.fire().map(|(width, _)| Kernel::FireTable { width });
    offset.map(Kernel::OffsetTable).chain(fire).collect()
}
