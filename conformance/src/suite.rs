//! Every case of `relattn conform`, by name.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use relattn::{Bias, Dtype, Kerple, Problem};

use crate::bucket_matrices::{self, BucketMatrix};
use crate::catalogue::{Case, catalogue};
use crate::choices::{Choice, LEVELS, choices};
use crate::drawn::Drawn;
use crate::matrices;

/// The seed of the data of the catalogue.
const SEED: u32 = 7;
/// Problems of each choice, forward and backward.
const DRAWS: u32 = 60;
/// Problems of each of them within a minute.
const QUICK_DRAWS: u32 = 12;

/// How much of the suite to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A sample that takes a software driver less than a minute.
    Quick,
    /// Each kernel at least once, for stacks that compile slowly: the catalogue, and one problem of each choice.
    Kernels,
    /// All of it.
    Full,
}

impl Extent {
    /// That of the options `--quick` and `--kernels`, of which one is given at most.
    #[must_use]
    pub const fn of_options(quick: bool, kernels: bool) -> Self {
        match (quick, kernels) {
            (true, _) => Self::Quick,
            (false, true) => Self::Kernels,
            (false, false) => Self::Full,
        }
    }

    /// Its name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Kernels => "kernels",
            Self::Full => "full",
        }
    }
}

/// A case with its name, which no other has.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the case is about.
    pub name: String,
    /// What it runs.
    pub work: Work,
}

/// What a case runs.
#[derive(Clone, Debug)]
pub enum Work {
    /// A forward pass over data of a seed.
    Forward(Problem, u32),
    /// A forward pass by products of matrices, whether or not rules choose them, over data of a seed.
    Matrices(Problem, u32),
    /// Both passes over data of a seed.
    Backward(Problem, u32),
    /// Both passes, the backward one by products of matrices, over data of a seed.
    MatricesBackward(Problem, u32),
    /// A matrix of bucket indices.
    Buckets(BucketMatrix),
}

impl Entry {
    /// The name without the number of the draw: what several problems by chance have in common, their kernel among it.
    #[must_use]
    pub fn choice(&self) -> &str {
        let drawn = self.name.rsplit_once(" #");
        drawn.map_or(&self.name, |(choice, _)| choice)
    }
}

impl Work {
    /// `forward`, `matrices`, `backward`, `matrix gradients` or `buckets`.
    #[must_use]
    pub const fn pass(&self) -> &'static str {
        match self {
            Self::Forward(..) => "forward",
            Self::Matrices(..) => "matrices",
            Self::MatricesBackward(..) => "matrix gradients",
            Self::Backward(..) => "backward",
            Self::Buckets(_) => "buckets",
        }
    }

    /// The family of the bias.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self {
            Self::Forward(problem, _)
            | Self::Matrices(problem, _)
            | Self::Backward(problem, _)
            | Self::MatricesBackward(problem, _) => family(problem),
            Self::Buckets(_) => "T5",
        }
    }

    /// The type of the tensors.
    #[must_use]
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::Forward(problem, _)
            | Self::Matrices(problem, _)
            | Self::Backward(problem, _)
            | Self::MatricesBackward(problem, _) => match problem.dtype() {
                Dtype::F32 => "f32",
                Dtype::F16 => "f16",
                Dtype::Bf16 => "bf16",
            },
            Self::Buckets(matrix) => matrix.format_name(),
        }
    }
}

fn family(problem: &Problem) -> &'static str {
    let biases: Vec<Bias> = problem.biases().collect();
    match biases[..] {
        _ if problem.gated() => "gated",
        [] => "none",
        [_, _, ..] => "sum",
        [Bias::Relative(_)] => "T5",
        [Bias::PerOffset { .. }] => "per offset",
        [Bias::Alibi] => "ALiBi",
        [Bias::Kerple(Kerple::Log)] => "KERPLE log",
        [Bias::Kerple(Kerple::Power)] => "KERPLE power",
        [Bias::Sandwich { .. }] => "Sandwich",
        [Bias::Fire { .. }] => "FIRE",
        [Bias::Indexed { .. }] => "index",
        [Bias::Dense(_)] => "dense",
        [_] => "none",
    }
}

/// The cases whose name contains a text, in the order in which they run: the same ones every time.
#[must_use]
pub fn suite(extent: Extent, containing: Option<&str>) -> Vec<Entry> {
    let mut entries = match extent {
        Extent::Full => [
            named(|_| true),
            bucket_matrices::all(),
            products(|_| true, DRAWS),
            by_matrices(|_| true),
        ],
        Extent::Kernels => [
            named(|_| true),
            bucket_matrices::some(),
            products(|_| true, 1),
            by_matrices(|_| true),
        ],
        Extent::Quick => [
            named(is_quick),
            bucket_matrices::some(),
            products(compiles_quickly, QUICK_DRAWS),
            by_matrices(|name| name == "one of everything" || name == "tile edges"),
        ],
    }
    .concat();
    if let Some(text) = containing {
        entries.retain(|entry| entry.name.contains(text));
    }
    entries
}

/// Cases of the catalogue that share a kernel or compile quickly.
fn is_quick(name: &str) -> bool {
    [
        "one of everything",
        "tile edges",
        "decoder past saturation",
        "decoding step",
        "every row without keys",
    ]
    .contains(&name)
}

/// The catalogue, forward and then backward.
fn named(wanted: impl Fn(&str) -> bool) -> Vec<Entry> {
    let mut cases = catalogue();
    cases.retain(|case| wanted(case.name));
    let passes = [Work::Forward as fn(Problem, u32) -> Work, Work::Backward];
    entries(&cases, passes)
}

/// The catalogue in f16 by products of matrices, forward and then backward.
fn by_matrices(wanted: impl Fn(&str) -> bool) -> Vec<Entry> {
    let mut cases = matrices::cases();
    cases.retain(|case| wanted(case.name));
    let passes = [
        Work::Matrices as fn(Problem, u32) -> Work,
        Work::MatricesBackward,
    ];
    entries(&cases, passes)
}

/// Cases by one pass and then by the other.
fn entries(cases: &[Case], passes: [fn(Problem, u32) -> Work; 2]) -> Vec<Entry> {
    let entries = passes.into_iter().flat_map(|pass| {
        cases
            .iter()
            .map(move |case| entry(case.name, pass(case.problem.clone(), SEED)))
    });
    entries.collect()
}

/// Few features, and a mask at most: two of the choices.
fn compiles_quickly(choice: &Choice) -> bool {
    choice.head_dim == 8 && !choice.few_rows && !choice.dropout && choice.dtype != Dtype::F32
}

/// Problems by chance of some choices, each choice with kernels of its own.
fn products(wanted: impl Fn(&Choice) -> bool, draws: u32) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (number, levels) in (0_u32..).zip(choices(&LEVELS)) {
        let choice = Choice::of(&levels);
        if !wanted(&choice) {
            continue;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(number.into());
        let problems: Vec<Problem> = (0..draws)
            .map(|_| Drawn::next(&choice, &mut rng).problem(&choice))
            .collect();
        for pass in [Work::Forward as fn(Problem, u32) -> Work, Work::Backward] {
            for (draw, problem) in (1..).zip(&problems) {
                entries.push(entry(
                    &format!("{choice} #{draw}"),
                    pass(problem.clone(), draw),
                ));
            }
        }
    }
    entries
}

fn entry(name: &str, work: Work) -> Entry {
    Entry {
        name: format!("{}: {name}", work.pass()),
        work,
    }
}

/// How many cases there are of each pass and family.
#[must_use]
pub fn count(entries: &[Entry]) -> BTreeMap<(&'static str, &'static str), usize> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        *counts
            .entry((entry.work.pass(), entry.work.family()))
            .or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_reach_every_family() {
        let entries = suite(Extent::Full, None);
        let names: HashSet<&str> = entries.iter().map(|entry| &entry.name[..]).collect();
        assert_eq!(names.len(), entries.len());
        assert!(entries.len() >= 5000, "{}", entries.len());
        let counts = count(&entries);
        let passes = counts.keys().map(|&(pass, _)| pass);
        assert_eq!(
            passes.filter(|&pass| pass == "backward").count(),
            12,
            "{counts:?}"
        );
    }

    #[test]
    fn extents_hold_the_cases_of_the_smaller_ones() {
        let names = |extent| -> HashSet<String> {
            let entries = suite(extent, None).into_iter();
            entries.map(|entry| entry.name).collect()
        };
        let [quick, kernels, full] = [Extent::Quick, Extent::Kernels, Extent::Full].map(names);
        assert!(quick.is_subset(&full) && kernels.is_subset(&full));
        assert!(kernels.len() < full.len() / 10, "{}", kernels.len());
    }

    #[test]
    fn a_name_selects_its_case() {
        let all = suite(Extent::Quick, None);
        let chosen = suite(Extent::Quick, Some("backward: tile edges"));
        assert_eq!(chosen.len(), 1);
        assert!(all.iter().any(|entry| entry.name == chosen[0].name));
    }
}
