//! Every kernel that is right for a problem on a device: `choose` takes one of them by rules, `Context::tune` by time.

use std::fmt;

use super::backward::{multiplies as multiplies_backward, of_algorithm};
use super::choose::{decodes, multiplies};
use super::ranges::KeyRanges;
use super::{Algorithm, BackwardVariant, Variant, Wanted, decode};
use crate::{Capabilities, Error, Problem};

/// The algorithms of the forward pass, with the rows that an invocation may own.
const FORWARD: [(Algorithm, &[u32]); 4] = [
    (Algorithm::Fragments, &[8, 4, 2, 1]),
    (Algorithm::Broadcast, &[4, 2, 1]),
    (Algorithm::Cooperative, &[16, 8]),
    (Algorithm::Decode, &[4, 2, 1]),
];

/// Those of the backward pass. Fragments sum the two ends of a table by offset in a number of each thread for each row, which needs 2, and
/// with 8 their sums would be past any device's registers.
const BACKWARD: [(Algorithm, &[u32]); 3] = [
    (Algorithm::Fragments, &[4, 2]),
    (Algorithm::Broadcast, &[4, 2, 1]),
    (Algorithm::Cooperative, &[16, 8]),
];

/// One way to compute a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// How the products are shared out.
    pub algorithm: Algorithm,
    /// Rows of one invocation, in the backward pass of the owned side; of [`Algorithm::Cooperative`] those of a matrix.
    pub rows: u32,
    /// Parts of the keys, each by workgroups of its own; 1 unless the algorithm is [`Algorithm::Decode`].
    pub splits: u32,
}

/// The ways to compute the forward pass of a problem on a device. All are right, and [`super::choose`] takes one of them.
#[must_use]
pub fn candidates(problem: &Problem, capabilities: &Capabilities) -> Vec<Candidate> {
    let all = pairs(&FORWARD).filter(|&pair| fits(problem, capabilities, pair));
    all.flat_map(|(algorithm, rows)| {
        let splits = splits(problem, capabilities, (algorithm, rows));
        splits.into_iter().map(move |splits| Candidate {
            algorithm,
            rows,
            splits,
        })
    })
    .collect()
}

/// The ways to compute the backward pass of a problem on a device; none where the problem has no backward pass.
#[must_use]
pub fn candidates_backward(problem: &Problem, capabilities: &Capabilities) -> Vec<Candidate> {
    pairs(&BACKWARD)
        .map(|(algorithm, rows)| Candidate {
            algorithm,
            rows,
            splits: 1,
        })
        .filter(|candidate| {
            let variants = candidate.backward(problem, Wanted::all(problem), capabilities);
            variants.is_ok()
        })
        .collect()
}

fn pairs(table: &[(Algorithm, &'static [u32])]) -> impl Iterator<Item = (Algorithm, u32)> {
    let rows = |&(algorithm, rows): &(Algorithm, &'static [u32])| {
        rows.iter().map(move |&rows| (algorithm, rows))
    };
    table.iter().flat_map(rows)
}

/// Whether an algorithm is right for a problem on a device.
fn suits(
    problem: &Problem,
    capabilities: &Capabilities,
    (algorithm, rows): (Algorithm, u32),
) -> bool {
    match algorithm {
        Algorithm::Fragments => true,
        Algorithm::Broadcast => capabilities.broadcasts(),
        Algorithm::Cooperative => multiplies(problem, capabilities, rows),
        Algorithm::Decode => {
            decodes(problem, capabilities) && rows <= problem.shape().q_len.next_power_of_two()
        }
    }
}

fn fits(problem: &Problem, capabilities: &Capabilities, pair: (Algorithm, u32)) -> bool {
    let divided = KeyRanges::within(problem, capabilities.binding).count() > 1;
    if !suits(problem, capabilities, pair) || (divided && pair.0 != Algorithm::Decode) {
        return false;
    }
    let variant = Variant::new(problem, capabilities, pair);
    let buffers = variant.bindings().len();
    let limits = capabilities.check(variant.workgroup_bytes(), variant.workgroup(), buffers);
    limits.is_ok()
}

/// No parts, as many as the rules say, and half and twice as many.
fn splits(problem: &Problem, capabilities: &Capabilities, pair: (Algorithm, u32)) -> Vec<u32> {
    if pair.0 != Algorithm::Decode {
        return vec![1];
    }
    let variant = Variant::new(problem, capabilities, pair);
    let ruled = decode::splits(problem, &variant, capabilities);
    let most = decode::most_splits(problem);
    let mut splits = vec![1, ruled / 2, ruled, 2 * ruled];
    splits.retain(|splits| (1..=most).contains(splits));
    splits.dedup();
    splits
}

impl Algorithm {
    /// The algorithm that is displayed so.
    #[cfg(feature = "tuning-file")]
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut all = FORWARD.iter().map(|&(algorithm, _)| algorithm);
        all.find(|algorithm| algorithm.to_string() == name)
    }
}

impl Candidate {
    /// That of a variant, with its parts by the rules.
    pub(crate) fn chosen(
        problem: &Problem,
        variant: &Variant,
        capabilities: &Capabilities,
    ) -> Self {
        let decodes = variant.algorithm == Algorithm::Decode;
        Self {
            algorithm: variant.algorithm,
            rows: variant.rows,
            splits: if decodes {
                decode::splits(problem, variant, capabilities)
            } else {
                1
            },
        }
    }

    /// Refuses what is no way to compute the forward pass of a problem. Any number of parts is one.
    pub(crate) fn check(self, problem: &Problem, capabilities: &Capabilities) -> Result<(), Error> {
        let most = match self.algorithm {
            Algorithm::Decode => decode::most_splits(problem),
            Algorithm::Fragments | Algorithm::Broadcast | Algorithm::Cooperative => 1,
        };
        let pair = (self.algorithm, self.rows);
        let known = pairs(&FORWARD).any(|known| known == pair);
        if known && fits(problem, capabilities, pair) && (1..=most).contains(&self.splits) {
            Ok(())
        } else {
            Err(Error::Candidate { found: self })
        }
    }

    /// The backward kernels: whose workgroups own queries, and keys.
    pub(crate) fn backward(
        self,
        problem: &Problem,
        wanted: Wanted,
        capabilities: &Capabilities,
    ) -> Result<[BackwardVariant; 2], Error> {
        let pair = (self.algorithm, self.rows);
        let known = pairs(&BACKWARD).any(|known| known == pair) && self.splits == 1;
        let suits = match self.algorithm {
            Algorithm::Cooperative => multiplies_backward(problem, wanted, capabilities, self.rows),
            _ => suits(problem, capabilities, pair),
        };
        if known && suits {
            of_algorithm(problem, wanted, capabilities, pair)
        } else {
            Err(Error::Candidate { found: self })
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} r{}", self.algorithm, self.rows)?;
        match self.splits {
            1 => Ok(()),
            splits => write!(f, ", keys in {splits} parts"),
        }
    }
}
