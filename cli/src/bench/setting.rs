//! What is measured: everything that the contenders of a comparison share.

use relattn::{Bias, Dtype, Layout, Mask, Problem, ProblemError, RelativeBuckets, Scale, Shape};

use crate::args::{BenchArgs, Pass};

const HEADS: u32 = 8;
pub(super) const HEAD_DIM: u32 = 64;
/// 1 / √D; T5 folds it into its weights, which is the same to a kernel.
pub(super) const SCALE: f32 = 0.125;
/// What lengths are multiples of, so that nobody's tiles are cut.
pub(super) const UNIT: u32 = 64;
/// The keys of a decoding step.
const CACHE: u32 = 8192;
/// The longest sequences whose matrices `[H, N, N]` fit WebGPU's largest binding.
const LONGEST_MATRIX: u32 = 2048;

/// One who computes attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrant {
    T5,
    Alibi,
    /// A number for each score and head, in memory.
    Dense,
    NoBias,
    /// T5's bias, scores in memory.
    Unfused,
    /// T5's bias, `cpu::Tiled`.
    Cpu,
}

impl Entrant {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::T5 => "t5",
            Self::Alibi => "alibi",
            Self::Dense => "dense",
            Self::NoBias => "no_bias",
            Self::Unfused => "unfused",
            Self::Cpu => "cpu",
        }
    }
}

/// One comparison.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) pass: Pass,
    pub(super) q_len: u32,
    pub(super) k_len: u32,
    pub(super) dtype: Dtype,
    pub(super) causal: bool,
    /// What the names of its cases end with.
    pub(super) suffix: &'static str,
    pub(super) entrants: Vec<Entrant>,
    pub(super) rounds: usize,
}

impl Setting {
    /// T5's encoder on as many keys as queries.
    fn encoder(pass: Pass, n: u32, quick: bool) -> Self {
        let mut entrants = vec![Entrant::T5, Entrant::NoBias];
        // A software driver compiles kernels of gradients for up to 18 seconds, and these are others.
        if n <= LONGEST_MATRIX && !quick {
            entrants.push(Entrant::Dense);
        }
        if n <= LONGEST_MATRIX && n.is_multiple_of(2 * UNIT) {
            entrants.push(Entrant::Unfused);
        }
        entrants.push(Entrant::Cpu);
        Self {
            pass,
            q_len: n,
            k_len: n,
            dtype: Dtype::F32,
            causal: false,
            suffix: "",
            entrants,
            rounds: usual_rounds(n, quick),
        }
    }

    /// Half-precision tensors.
    fn half(pass: Pass, n: u32) -> Self {
        Self {
            dtype: Dtype::F16,
            suffix: "_f16",
            entrants: vec![Entrant::T5, Entrant::NoBias, Entrant::Cpu],
            ..Self::encoder(pass, n, false)
        }
    }

    /// T5's decoder.
    fn causal(pass: Pass, n: u32) -> Self {
        Self {
            causal: true,
            suffix: "_causal",
            entrants: vec![Entrant::T5, Entrant::NoBias, Entrant::Alibi, Entrant::Cpu],
            ..Self::encoder(pass, n, false)
        }
    }

    /// One row against a cache.
    fn decode() -> Self {
        Self {
            q_len: 1,
            k_len: CACHE,
            suffix: "_decode",
            ..Self::causal(Pass::Forward, UNIT)
        }
    }

    /// `t5`, `t5_f16`, …
    pub(super) fn case(&self, entrant: Entrant) -> String {
        format!("{}{}", entrant.name(), self.suffix)
    }

    pub(super) const fn heads(&self) -> u32 {
        HEADS
    }

    /// What an entrant computes; positions end with the last key.
    pub(super) fn problem(&self, entrant: Entrant) -> Result<Problem, ProblemError> {
        let shape = Shape {
            batch: 1,
            heads: HEADS,
            kv_heads: HEADS,
            q_len: self.q_len,
            k_len: self.k_len,
            head_dim: HEAD_DIM,
        };
        let bias = match entrant {
            Entrant::T5 | Entrant::Unfused | Entrant::Cpu if self.causal => {
                Bias::Relative(RelativeBuckets::t5_decoder())
            }
            Entrant::T5 | Entrant::Unfused | Entrant::Cpu => {
                Bias::Relative(RelativeBuckets::t5_encoder())
            }
            Entrant::Alibi => Bias::Alibi,
            Entrant::Dense => Bias::Dense(Layout::dense_bias(&shape, false, true)?),
            Entrant::NoBias => Bias::None,
        };
        let offset = i64::from(self.k_len) - i64::from(self.q_len);
        Problem::builder(shape)
            .dtype(self.dtype)
            .scale(Scale::Value(SCALE))
            .mask(if self.causal {
                Mask::CAUSAL
            } else {
                Mask::NONE
            })
            .query_offset(i32::try_from(offset).unwrap_or(i32::MAX))
            .bias(bias)
            .build()
    }
}

/// Enough for a median that noise does not move; a software driver takes seconds for the longest.
const fn usual_rounds(n: u32, quick: bool) -> usize {
    match quick {
        false => 11,
        true if n <= 1024 => 3,
        true => 1,
    }
}

/// Every comparison that was asked for, the shortest first.
pub(super) fn settings(args: &BenchArgs) -> Vec<Setting> {
    let mut lengths = match (&args.query_len[..], args.quick) {
        ([], true) => vec![512, 1024, 2048],
        ([], false) => vec![512, 1024, 2048, 4096],
        (asked, _) => asked.to_vec(),
    };
    lengths.sort_unstable();
    lengths.dedup();
    let usual = lengths.iter().copied().filter(|&n| n <= 1024).max();
    let usual = usual.unwrap_or(lengths[0]);
    let quick = args.quick;
    let mut all = Vec::new();
    for pass in [Pass::Forward, Pass::Backward] {
        if quick && pass == Pass::Backward {
            all.push(Setting::encoder(pass, usual, quick));
            continue;
        }
        all.extend(lengths.iter().map(|&n| Setting::encoder(pass, n, quick)));
        if !quick {
            all.extend([Setting::half(pass, usual), Setting::causal(pass, usual)]);
        }
    }
    if !quick {
        all.push(Setting::decode());
    }
    all.retain(|setting| args.pass.is_none_or(|pass| setting.pass == pass));
    if let Some(rounds) = args.rounds {
        for setting in &mut all {
            setting.rounds = rounds as usize;
        }
    }
    all
}

/// Operations and compulsory bytes of a pass. The gradients are three products over the scores' features, their recomputed
/// scores among them, and two over the values'; they read q, k, v, the output and its gradient, and write three.
pub(super) fn cost(problem: &Problem, pass: Pass) -> (u64, u64) {
    let cost = problem.cost();
    match pass {
        Pass::Forward => (cost.flops, cost.bytes),
        Pass::Backward => (cost.flops / 2 * 5, cost.bytes * 2),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        bench: BenchArgs,
    }

    /// The flops and bytes of each case of one length.
    fn costs(arguments: &[&str], pass: Pass) -> Vec<(String, u64, u64)> {
        let program = ["bench", "--query-len", "128"];
        let program = Program::parse_from(program.iter().chain(arguments));
        let all = settings(&program.bench);
        let all = all.iter().filter(|setting| setting.pass == pass);
        let cases = all.flat_map(|setting| {
            setting.entrants.iter().map(|&entrant| {
                let problem = setting.problem(entrant).expect("a valid problem");
                let (flops, bytes) = cost(&problem, pass);
                (setting.case(entrant), flops, bytes)
            })
        });
        cases.collect()
    }

    fn of<'a>(costs: &'a [(String, u64, u64)], case: &str) -> &'a (String, u64, u64) {
        let mut found = costs.iter().filter(|(name, ..)| name == case);
        let one = found.next().unwrap_or_else(|| panic!("no case {case}"));
        assert!(found.next().is_none(), "{case} twice");
        one
    }

    const TENSORS: u64 = 4 * 8 * 128 * 64 * 4;

    #[test]
    fn cases_count_what_they_compute() {
        let forward = costs(&[], Pass::Forward);
        let backward = costs(&[], Pass::Backward);
        for costs in [&forward, &backward] {
            for case in ["t5", "dense", "no_bias", "unfused", "cpu", "alibi_causal"] {
                of(costs, case);
            }
        }
        // The pairs on the diagonal and below it; half as many bytes; a row against 8192 keys.
        assert_eq!(of(&forward, "t5_causal").1, 4 * 8 * (128 * 129 / 2) * 64);
        assert_eq!(of(&forward, "t5_f16").2, TENSORS / 2);
        assert_eq!(of(&forward, "t5_decode").1, 4 * 8 * 8192 * 64);
        let whole = 4 * 8 * 128 * 128 * 64;
        assert_eq!(of(&backward, "t5").1, whole / 2 * 5);
        assert_eq!(of(&backward, "t5").2, 2 * TENSORS);
    }

    #[test]
    fn few_cases_have_all_that_they_are_compared_with() {
        for pass in [Pass::Forward, Pass::Backward] {
            let costs = costs(&["--quick"], pass);
            for case in ["t5", "no_bias", "unfused", "cpu"] {
                of(&costs, case);
            }
        }
    }
}
