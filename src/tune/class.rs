//! What times are remembered for: a class of problems on a device.

use crate::plan::{BiasSlots, MaskSlots};
use crate::{Capabilities, Checks, Dtype, MatrixSizes, Problem};

/// What a time depends on beside the class of the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "tuning-file", derive(serde::Deserialize, serde::Serialize))]
pub(crate) struct DeviceKey {
    /// `backend/name`.
    pub(crate) adapter: String,
    /// Its name and its version.
    pub(crate) driver: String,
    /// The fewest and the most invocations of a subgroup, 0 without subgroup operations.
    pub(crate) subgroup: [u32; 2],
    /// Of this crate, whose shaders change.
    pub(crate) version: String,
}

/// Which pass is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Forward,
    Backward,
}

impl DeviceKey {
    pub(crate) fn new(device: &wgpu::Device, capabilities: &Capabilities) -> Self {
        let info = device.adapter_info();
        Self {
            adapter: format!("{}/{}", info.backend, info.name),
            driver: format!("{} {}", info.driver, info.driver_info),
            subgroup: [capabilities.subgroup_size, capabilities.largest_subgroup],
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// The class of a problem: all that is fixed when a kernel is compiled but for the algorithm and its rows, and lengths, windows, heads and the heads
/// that share keys to the next power of two. Where matrices may be multiplied, so that there are more algorithms, is another class.
pub(crate) fn class(
    pass: Pass,
    problem: &Problem,
    checks: Checks,
    matrices: MatrixSizes,
) -> String {
    let shape = problem.shape();
    let bias = BiasSlots::of(problem);
    let pass = match pass {
        Pass::Forward => "forward",
        Pass::Backward => "backward",
    };
    let index = bias.index.map(|index| {
        let bits = 32 / index.format.per_word();
        format!(" {} matrices of {bits} bits", index.matrices)
    });
    let fire = bias.fire_width.map(|width| format!(" {width} units"));
    let paged = problem.paged();
    let paged = paged.map(|paged| format!(" paged{}", paged.block_size));
    let heads = u64::from(shape.batch) * u64::from(shape.heads);
    let window = problem.mask().window.map(|window| {
        let reach = u64::from(window.left) + u64::from(window.right);
        format!(" window{}", size(reach.min(shape.k_len.into())))
    });
    let group = (shape.heads > shape.kv_heads).then(|| {
        let group = shape.heads / shape.kv_heads;
        format!(" group{}", size(group.into()))
    });
    format!(
        "{pass} {:?} d{}/{}{bias}{}{}{}{}{}{}{}{}{} q{} k{} heads{}",
        problem.dtype(),
        shape.head_dim,
        problem.value_dim(),
        index.unwrap_or_default(),
        fire.unwrap_or_default(),
        MaskSlots::of(problem.mask()),
        if problem.dropout().is_some() {
            " dropout"
        } else {
            ""
        },
        paged.unwrap_or_default(),
        if checks == Checks::All {
            " checked"
        } else {
            ""
        },
        if problem.dtype() == Dtype::F16 && matrices != MatrixSizes::NONE {
            " matrices"
        } else {
            ""
        },
        window.unwrap_or_default(),
        group.unwrap_or_default(),
        size(shape.q_len.into()),
        size(shape.k_len.into()),
        size(heads),
    )
}

/// The next power of two, and 0 apart from 1: nothing is timed in no time.
const fn size(n: u64) -> u64 {
    if n == 0 { 0 } else { n.next_power_of_two() }
}

#[cfg(test)]
mod tests {
    use super::{Pass, class};
    use crate::{Bias, Checks, Dtype, Mask, MatrixSizes, Problem, ProblemBuilder, Shape, Window};

    const SHAPE: Shape = Shape {
        batch: 1,
        heads: 8,
        kv_heads: 8,
        q_len: 100,
        k_len: 100,
        head_dim: 64,
    };

    fn builder(q_len: u32, k_len: u32) -> ProblemBuilder {
        Problem::builder(Shape {
            q_len,
            k_len,
            ..SHAPE
        })
    }

    fn shared(kv_heads: u32) -> ProblemBuilder {
        Problem::builder(Shape { kv_heads, ..SHAPE })
    }

    fn windowed(left: u32) -> ProblemBuilder {
        let window = Some(Window { left, right: 0 });
        builder(100, 100).mask(Mask {
            window,
            ..Mask::default()
        })
    }

    fn of(builder: ProblemBuilder) -> String {
        let problem = builder.build().expect("a valid problem");
        class(Pass::Forward, &problem, Checks::None, MatrixSizes::NONE)
    }

    #[test]
    fn lengths_of_one_class_differ_by_less_than_two() {
        assert_eq!(of(builder(1000, 600)), of(builder(513, 1024)));
        assert_ne!(of(builder(512, 600)), of(builder(513, 600)));
        assert_ne!(of(builder(1000, 600)), of(builder(1000, 1025)));
    }

    #[test]
    fn whatever_makes_another_kernel_makes_another_class() {
        let plain = || builder(100, 100);
        let fire = |width| plain().bias(Bias::Fire { width });
        let all = [
            of(plain()),
            of(plain().dtype(Dtype::F16)),
            of(plain().value_dim(32)),
            of(plain().bias(Bias::Alibi)),
            of(plain().mask(Mask::CAUSAL)),
            of(windowed(64)),
            of(windowed(16)),
            of(shared(2)),
            of(shared(1)),
            of(builder(100, 0)),
            of(builder(100, 1)),
            of(fire(16)),
            of(fire(32)),
        ];
        for (n, first) in all.iter().enumerate() {
            assert!(!all[n + 1..].contains(first), "{first}");
        }
        let problem = plain().build().expect("a valid problem");
        let none = MatrixSizes::NONE;
        let passes =
            [Pass::Forward, Pass::Backward].map(|pass| class(pass, &problem, Checks::None, none));
        assert_ne!(passes[0], passes[1]);
        let checked = class(Pass::Forward, &problem, Checks::All, none);
        assert_ne!(passes[0], checked);
        let sixteen = MatrixSizes {
            sixteen: true,
            ..none
        };
        let by_matrices = |problem: &Problem| class(Pass::Forward, problem, Checks::None, sixteen);
        assert_eq!(passes[0], by_matrices(&problem));
        let halves = plain().dtype(Dtype::F16);
        let problem = halves.clone().build().expect("a valid problem");
        assert_ne!(of(halves), by_matrices(&problem));
    }
}
