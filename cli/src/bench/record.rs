//! Figures of each case, and what they depend on.

use relattn::Dtype;
use relattn::plan::Algorithm;
use relattn_bench::probe::Peaks;
use relattn_bench::rig::device::{Rig, name};
use relattn_bench::rig::report;
use serde::Serialize;

use super::contest::Results;
use super::setting::{Entrant, HEAD_DIM, Setting, cost};
use crate::args::Pass;
use crate::devices;
use crate::fault::Fault;

/// Everything of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) adapter: String,
    pub(super) driver: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) date: String,
    pub(super) version: &'static str,
    pub(super) processor: String,
    pub(super) load_before: String,
    pub(super) load_after: String,
    /// `timestamps` or `wall clock`.
    pub(super) clock: &'static str,
    pub(super) peaks: Measured,
    pub(super) records: Vec<Record>,
}

/// What the device can do at best; billions a second, null where it is not offered.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Measured {
    pub(super) f32_gflops: f64,
    pub(super) f16_gflops: Option<f64>,
    pub(super) cooperative_gflops: Option<f64>,
    /// Rows and columns of the matrices.
    pub(super) cooperative_size: Option<u32>,
    pub(super) cooperative_sums: Option<&'static str>,
    pub(super) copy_gbps: f64,
    pub(super) read_gbps: f64,
}

/// A case.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    pub(super) case: String,
    pub(super) pass: Pass,
    pub(super) query_len: u32,
    pub(super) key_len: u32,
    heads: u32,
    head_dim: u32,
    dtype: &'static str,
    causal: bool,
    adapter: String,
    driver: String,
    date: String,
    variant: String,
    rounds: usize,
    pub(super) ms: f64,
    flops: u64,
    bytes: u64,
    pub(super) gflops: f64,
    pub(super) gbps: f64,
    /// The time at the roofline as a part of the time.
    pub(super) peak_share: f64,
    /// `arithmetic` or `memory`: the side of the roofline.
    pub(super) bound_by: &'static str,
    unfused_ms: Option<f64>,
    pub(super) speedup_vs_unfused: Option<f64>,
    no_bias_ms: Option<f64>,
    pub(super) bias_overhead: Option<f64>,
    cpu_ms: Option<f64>,
    pub(super) speedup_vs_cpu: Option<f64>,
}

impl Report {
    pub(super) fn new(rig: &Rig, peaks: &Peaks) -> Self {
        Self {
            adapter: name(&rig.info),
            driver: devices::driver(&rig.info),
            kind: devices::kind(rig.info.device_type),
            date: report::now(),
            version: env!("CARGO_PKG_VERSION"),
            processor: report::cpu(),
            load_before: report::load(),
            load_after: String::new(),
            clock: if rig.has_timestamps() {
                "timestamps"
            } else {
                "wall clock"
            },
            peaks: Measured::of(peaks),
            records: Vec::new(),
        }
    }

    /// A record for each fused pass.
    pub(super) fn add(&mut self, setting: &Setting, results: &Results) -> Result<(), Fault> {
        for (entrant, variant) in &results.variants {
            let record = self.record(setting, results, *entrant, variant)?;
            self.records.push(record);
        }
        Ok(())
    }

    fn record(
        &self,
        setting: &Setting,
        results: &Results,
        entrant: Entrant,
        variant: &str,
    ) -> Result<Record, Fault> {
        let rounds = &results.rounds;
        let (own, t5) = (entrant.name(), entrant == Entrant::T5);
        // The others compute T5's bias, or none.
        let other = |other: Entrant, compared: bool| {
            let there = compared && setting.entrants.contains(&other);
            there.then_some(other.name())
        };
        let unfused = other(Entrant::Unfused, t5 || entrant == Entrant::Dense);
        let no_bias = other(Entrant::NoBias, entrant != Entrant::NoBias);
        let cpu = other(Entrant::Cpu, t5);
        let time = |name: Option<&str>| name.map(|name| rounds.milliseconds(name));
        let speedup = |name: Option<&str>| name.map(|name| rounds.ratio(name, own));
        let ms = rounds.milliseconds(own);
        let (flops, bytes) = cost(&setting.problem(entrant)?, setting.pass);
        let [gflops, gbps] = [flops, bytes].map(|count| rate(count, ms));
        let [arithmetic, memory] = [
            gflops / self.peaks.arithmetic_gflops(variant),
            gbps / self.peaks.copy_gbps.max(self.peaks.read_gbps),
        ];
        Ok(Record {
            case: setting.case(entrant),
            pass: setting.pass,
            query_len: setting.q_len,
            key_len: setting.k_len,
            heads: setting.heads(),
            head_dim: HEAD_DIM,
            dtype: dtype(setting.dtype),
            causal: setting.causal,
            adapter: self.adapter.clone(),
            driver: self.driver.clone(),
            date: self.date.clone(),
            variant: variant.into(),
            rounds: setting.rounds,
            ms,
            flops,
            bytes,
            gflops,
            gbps,
            peak_share: arithmetic.max(memory),
            bound_by: if arithmetic >= memory {
                "arithmetic"
            } else {
                "memory"
            },
            unfused_ms: time(unfused),
            speedup_vs_unfused: speedup(unfused),
            no_bias_ms: time(no_bias),
            bias_overhead: no_bias.map(|name| rounds.ratio(own, name)),
            cpu_ms: time(cpu),
            speedup_vs_cpu: speedup(cpu),
        })
    }
}

impl Measured {
    /// What the arithmetic of a kernel is measured by: matrices where it multiplies such, else f32.
    fn arithmetic_gflops(&self, variant: &str) -> f64 {
        let by_matrices = variant.contains(&format!(" {} ", Algorithm::Cooperative));
        let matrices = self.cooperative_gflops.filter(|_| by_matrices);
        matrices.unwrap_or(self.f32_gflops)
    }

    fn of(peaks: &Peaks) -> Self {
        Self {
            f32_gflops: peaks.f32 * 1e-9,
            f16_gflops: peaks.f16.map(|rate| rate * 1e-9),
            cooperative_gflops: peaks.cooperative.map(|matrices| matrices.flops * 1e-9),
            cooperative_size: peaks.cooperative.map(|matrices| matrices.size),
            cooperative_sums: peaks.cooperative.map(|matrices| matrices.sums),
            copy_gbps: peaks.copy * 1e-9,
            read_gbps: peaks.read * 1e-9,
        }
    }
}

/// Billions a second.
fn rate(count: u64, ms: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure")]
    let count = count as f64;
    count / ms * 1e-6
}

const fn dtype(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "f32",
        Dtype::F16 => "f16",
        Dtype::Bf16 => "bf16",
    }
}
