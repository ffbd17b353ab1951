//! Why a kernel was chosen, as facts of the problem and the device.

use std::fmt;
use std::time::Duration;

use super::choose::{decodes, multiplies};
use super::ranges::KeyRanges;
use super::{Algorithm, BackwardVariant, Variant, decode};
use crate::{Capabilities, Dtype, Problem, Tensor};

/// One reason for a choice. If the fact in it were different, the choice could be too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Decode: so few query rows would leave most of a tile idle.
    FewRows {
        /// Nq.
        q_len: u32,
        /// Nk.
        k_len: u32,
    },
    /// Decode: a binding does not hold the keys of a head.
    ManyKeys {
        /// Ranges of them that it does hold, each in a dispatch of its own.
        ranges: u32,
    },
    /// Decode: how many parts the keys are computed in, and how many workgroups keep the device busy.
    Parts {
        /// Parts.
        splits: u32,
        /// Workgroups.
        busy: u32,
    },
    /// No decode, though there are few query rows: sequences of a packed batch.
    Packed,
    /// Broadcast: a processor plays the GPU, and shares subgroups of a size that keys can be passed on in.
    Processor {
        /// The fewest and the most invocations of a subgroup.
        subgroup: [u32; 2],
    },
    /// Cooperative: tensors of f16, and subgroups that multiply matrices.
    Matrices {
        /// Rows and columns of a matrix.
        size: u32,
        /// The fewest and the most invocations of a subgroup.
        subgroup: [u32; 2],
    },
    /// No cooperative, though tensors are of f16: the device was requested without matrices of f16 with sums of f32, or nobody told which
    /// sizes its adapter has, or its subgroups are smaller than those, or larger than 128.
    NoMatrices,
    /// No cooperative, though tensors are of f16 and the adapter has matrices: the device was requested with too little workgroup memory.
    MemoryForMatrices {
        /// Bytes that the device has.
        found: u32,
        /// Bytes that are needed.
        needed: u32,
    },
    /// No cooperative, though tensors are of f16 and subgroups multiply matrices: rows are too wide to stay in registers.
    WideForMatrices {
        /// The larger of D and Dv.
        features: u32,
        /// The most that it is chosen for.
        most: u32,
    },
    /// No cooperative, though tensors are of f16 and subgroups multiply matrices: single scores add to the gradient of a gate, an index
    /// table, FIRE or a dense bias.
    ScoresForMatrices,
    /// Fragments: no processor plays the GPU, so that workgroup memory is fast and registers are few.
    Gpu,
    /// Fragments: the device was requested without subgroup operations.
    NoSubgroups,
    /// Fragments: subgroups are too small or too large to pass keys on in.
    Subgroups {
        /// The fewest and the most invocations of a subgroup.
        found: [u32; 2],
    },
    /// Rows of an invocation, which follow from the features that it holds of each.
    Rows {
        /// Rows.
        rows: u32,
        /// The larger of D and Dv.
        features: u32,
    },
    /// Rows of an invocation, which are all that there are.
    AllRows {
        /// Rows.
        rows: u32,
    },
    /// Broadcast: keys and values of a head are more than caches hold, and are met in stretches, a dispatch each.
    Stretches {
        /// Stretches.
        stretches: u32,
    },
    /// Backward: masks, gates and tables are read from the workspace, so that eight buffers are enough.
    InWorkspace,
    /// `Context::tune` found it to be the fastest.
    Tuned(Timing),
    /// The caller asked for it.
    Asked,
}

/// What `Context::tune` measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Of what was the fastest.
    pub fastest: Duration,
    /// Of what the rules choose.
    pub ruled: Duration,
}

/// Who chose a kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    Rules,
    Tuned(Timing),
    Caller,
}

/// Why [`super::choose`] takes this forward kernel.
#[must_use]
pub fn reasons(problem: &Problem, capabilities: &Capabilities, variant: &Variant) -> Vec<Reason> {
    let splits = decode::splits(problem, variant, capabilities);
    with_dispatches(problem, capabilities, variant, splits, None)
}

/// The same of so many parts, and of stretches of so many keys, which the caller may have asked for.
pub(super) fn with_dispatches(
    problem: &Problem,
    capabilities: &Capabilities,
    variant: &Variant,
    splits: u32,
    stretch: Option<u32>,
) -> Vec<Reason> {
    let mut reasons = of_scores(problem, capabilities, variant);
    let most = Algorithm::MATRIX_FEATURES;
    reasons.extend(no_matrices(problem, capabilities, variant, most, false));
    if variant.algorithm == Algorithm::Decode {
        reasons.push(Reason::Parts {
            splits,
            busy: capabilities.busy_workgroups,
        });
    } else if problem.shape().q_len <= Algorithm::DECODE_ROWS {
        reasons.push(Reason::Packed);
    }
    let stretches = KeyRanges::stretches(problem, stretch, capabilities.binding).count();
    if variant.algorithm == Algorithm::Broadcast && stretches > 1 {
        reasons.push(Reason::Stretches { stretches });
    }
    reasons
}

/// Why fragments of f16 on a GPU are no matrices of so many features at most, of which single scores add to gradients or not.
fn no_matrices(
    problem: &Problem,
    capabilities: &Capabilities,
    variant: &Variant,
    most: u32,
    of_scores: bool,
) -> Option<Reason> {
    let halves = variant.dtype == Dtype::F16 && variant.algorithm == Algorithm::Fragments;
    if !halves || capabilities.cpu {
        return None;
    }
    let features = variant.head_dim.max(variant.value_dim);
    let (found, needed) = (capabilities.workgroup_storage, Algorithm::MATRIX_STORAGE);
    let roomy = Capabilities {
        workgroup_storage: found.max(needed),
        ..*capabilities
    };
    let multiplies = [8, 16].map(|rows| multiplies(problem, &roomy, rows));
    Some(match multiplies.contains(&true) {
        false => Reason::NoMatrices,
        true if features > most => Reason::WideForMatrices { features, most },
        true if of_scores => Reason::ScoresForMatrices,
        true => Reason::MemoryForMatrices { found, needed },
    })
}

/// Why [`super::choose_backward`] takes these backward kernels.
#[must_use]
pub fn reasons_backward(
    problem: &Problem,
    capabilities: &Capabilities,
    [queries, keys]: [&BackwardVariant; 2],
) -> Vec<Reason> {
    let scores = &queries.scores;
    let mut reasons = of_scores(problem, capabilities, scores);
    let most = Algorithm::MATRIX_FEATURES_BACKWARD;
    let single = queries.gradients.of_scores() || keys.gradients.of_scores();
    reasons.extend(no_matrices(problem, capabilities, scores, most, single));
    let small = [
        Tensor::KeyMask,
        Tensor::KeyLengths,
        Tensor::QueryLengths,
        Tensor::QueryDocuments,
        Tensor::KeyStarts,
        Tensor::Gate,
        Tensor::Table,
        Tensor::OffsetTable,
    ];
    if small.into_iter().any(|tensor| problem.uses(tensor)) {
        reasons.push(Reason::InWorkspace);
    }
    reasons
}

/// The same of a kernel that somebody else chose.
pub(crate) fn by(origin: Origin, rules: impl FnOnce() -> Vec<Reason>) -> Vec<Reason> {
    match origin {
        Origin::Rules => rules(),
        Origin::Tuned(timing) => vec![Reason::Tuned(timing)],
        Origin::Caller => vec![Reason::Asked],
    }
}

fn of_scores(problem: &Problem, capabilities: &Capabilities, variant: &Variant) -> Vec<Reason> {
    let mut reasons = vec![of_algorithm(problem, capabilities, variant)];
    // Those of a matrix are part of the reason before.
    if variant.algorithm != Algorithm::Cooperative {
        reasons.push(of_rows(problem, capabilities, variant));
    }
    reasons
}

fn of_algorithm(problem: &Problem, capabilities: &Capabilities, variant: &Variant) -> Reason {
    let shape = problem.shape();
    let subgroup = [capabilities.subgroup_size, capabilities.largest_subgroup];
    match variant.algorithm {
        Algorithm::Decode if shape.q_len > Algorithm::DECODE_ROWS => Reason::ManyKeys {
            ranges: KeyRanges::within(problem, capabilities.binding).count(),
        },
        Algorithm::Decode => Reason::FewRows {
            q_len: shape.q_len,
            k_len: shape.k_len,
        },
        Algorithm::Broadcast => Reason::Processor { subgroup },
        Algorithm::Cooperative => Reason::Matrices {
            size: variant.rows,
            subgroup,
        },
        Algorithm::Fragments if !capabilities.cpu => Reason::Gpu,
        Algorithm::Fragments if subgroup == [0, 0] => Reason::NoSubgroups,
        Algorithm::Fragments => Reason::Subgroups { found: subgroup },
    }
}

fn of_rows(problem: &Problem, capabilities: &Capabilities, variant: &Variant) -> Reason {
    let rows = variant.rows;
    let every = decodes(problem, capabilities) && rows == problem.shape().q_len.next_power_of_two();
    if variant.algorithm == Algorithm::Decode && every {
        return Reason::AllRows { rows };
    }
    Reason::Rows {
        rows,
        features: variant.head_dim.max(variant.value_dim),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::FewRows { q_len, k_len } => write!(
                f,
                "decode: {q_len} query rows, of at most {}, against {k_len} keys",
                Algorithm::DECODE_ROWS
            ),
            Self::ManyKeys { ranges } => write!(
                f,
                "decode: keys of a head in {ranges} ranges, since a binding does not hold them all"
            ),
            Self::Parts { splits, busy } => write!(
                f,
                "keys in {splits} parts: {busy} workgroups keep the device busy"
            ),
            Self::Packed => write!(f, "no decode: the few rows are those of a packed batch"),
            Self::Processor { subgroup: [a, b] } => write!(
                f,
                "broadcast: a processor plays the GPU, with subgroups of {a} to {b}"
            ),
            Self::Matrices {
                size,
                subgroup: [a, b],
            } => write!(
                f,
                "cooperative: f16, and subgroups of {a} to {b} multiply matrices of {size} × {size}"
            ),
            Self::WideForMatrices { features, most } => write!(
                f,
                "no cooperative: {features} features, and it is for at most {most}"
            ),
            Self::ScoresForMatrices => write!(
                f,
                "no cooperative: single scores add to the gradients of the bias"
            ),
            Self::MemoryForMatrices { found, needed } => write!(
                f,
                "no cooperative: {found} bytes of workgroup memory, and it needs {needed}"
            ),
            Self::NoMatrices => write!(f, "no cooperative: no matrices of f16 with sums of f32"),
            Self::Gpu => write!(f, "fragments: a GPU, or what passes for one"),
            Self::NoSubgroups => write!(
                f,
                "fragments: the device was requested without subgroup operations"
            ),
            Self::Subgroups { found: [a, b] } => write!(
                f,
                "fragments: subgroups of {a} to {b}, and broadcast takes {} to {}",
                Algorithm::LANES,
                Algorithm::MOST_LANES
            ),
            Self::Rows { rows, features } => {
                write!(
                    f,
                    "rows {rows}: an invocation holds {features} features of each"
                )
            }
            Self::AllRows { rows } => write!(f, "rows {rows}: all that there are"),
            Self::Stretches { stretches } => write!(
                f,
                "keys in {stretches} stretches: caches do not hold them all"
            ),
            Self::InWorkspace => write!(
                f,
                "masks, gates and tables in the workspace, for eight buffers to be enough"
            ),
            Self::Tuned(Timing { fastest, ruled }) => write!(
                f,
                "tuned: {} ms, and what the rules choose {}",
                milliseconds(fastest),
                milliseconds(ruled)
            ),
            Self::Asked => write!(f, "asked for"),
        }
    }
}

/// To three digits.
fn milliseconds(time: Duration) -> String {
    let ms = 1e3 * time.as_secs_f64();
    let digits = match ms {
        100.0.. => 0,
        10.0..100.0 => 1,
        1.0..10.0 => 2,
        _ => 3,
    };
    format!("{ms:.digits$}")
}
