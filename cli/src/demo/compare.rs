//! One problem on the device and on the CPU: how far from the definition, how fast, with how much memory.

use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use relattn::cpu::{Oracle, Outputs};
use relattn::{Problem, Shape, Tensor, Thresholds};
use serde::Serialize;

use super::data::Layer;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::figures::{self, largest_error, widened};
use crate::gpu::Gpu;
use crate::progress::{during, timed};
use crate::resident::Resident;

/// The error that ends the demo; what f32 leaves of the real layer is a few 1e-7.
const ALLOWED: f64 = 2e-6;
/// Random data have larger scores, each with its own rounding: f32 leaves 1e-6 to 3e-6.
const ALLOWED_LONG: f64 = 1e-5;
/// What each timing may take beyond its first run.
const BUDGET: Duration = Duration::from_secs(2);
/// A run that takes longer is not repeated. The first includes what the driver compiles, some seconds for a software one.
const PATIENCE: Duration = Duration::from_secs(10);
const RUNS: usize = 9;
/// Query rows of a head that the oracle computes of a long sequence, in each of three places.
const SAMPLE: u32 = 16;

/// All about one problem.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    batch: u32,
    heads: u32,
    length: u32,
    head_dim: u32,
    rows: Vec<Row>,
    /// Between the results of device and CPU, everywhere.
    device_to_cpu: Option<f64>,
    /// Query rows of each head that the oracle computed.
    oracle_rows: u32,
    oracle_error_recorded: Option<f64>,
    /// The offset from which the bias no longer changes.
    saturation: u32,
    bias_bytes: u64,
    matrix_bytes: u64,
}

/// One way to compute it.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    seconds: Option<f64>,
    seconds_with_transfers: Option<f64>,
    error_oracle: f64,
    error_recorded: Option<f64>,
}

/// A result with the time that it takes.
struct Run {
    name: String,
    outputs: Outputs,
    /// Without transfers, the median of several.
    time: Option<Duration>,
    with_transfers: Option<Duration>,
}

/// Compares with the oracle everywhere, and with the recorded output.
pub(super) fn recorded(engine: &Engine, layer: &Layer) -> Result<Report, Fault> {
    let exact = Oracle.exact(&layer.problem, &layer.inputs())?;
    let expected = widened(&layer.expected);
    let runs = runs(engine, layer)?;
    let mut report = Report::new(layer, &runs);
    for run in &runs {
        report.rows.push(Row {
            error_oracle: accept(
                run,
                "the oracle",
                largest_error(&run.outputs.out, &exact.out),
                ALLOWED,
            )?,
            error_recorded: Some(accept(
                run,
                "the recorded output",
                largest_error(&run.outputs.out, &expected),
                ALLOWED,
            )?),
            ..Row::of(run)
        });
    }
    report.oracle_error_recorded = Some(largest_error(&layer.expected, &exact.out));
    report.oracle_rows = layer.problem.shape().q_len;
    Ok(report)
}

/// Compares with the oracle on some rows, because the definition takes long.
pub(super) fn sampled(engine: &Engine, layer: &Layer) -> Result<Report, Fault> {
    let length = layer.problem.shape().q_len;
    let places = [0, length / 2, length - SAMPLE];
    let runs = runs(engine, layer)?;
    let mut report = Report::new(layer, &runs);
    report.rows = runs.iter().map(Row::of).collect();
    for first in places {
        let part = layer.rows(first, SAMPLE)?;
        let exact = during("the oracle on some rows", || {
            Oracle.exact(&part.problem, &part.inputs())
        })?;
        for (run, row) in runs.iter().zip(&mut report.rows) {
            let found = layer.cut(&run.outputs.out, first, SAMPLE);
            let error = largest_error(&found, &exact.out);
            let error = accept(run, "the oracle", error, ALLOWED_LONG)?;
            row.error_oracle = row.error_oracle.max(error);
        }
        report.oracle_rows += SAMPLE;
    }
    Ok(report)
}

fn accept(run: &Run, from: &str, found: f64, allowed: f64) -> Result<f64, Fault> {
    if found <= allowed {
        return Ok(found);
    }
    Err(Fault::Disagreement {
        what: format!("error of {} against {from}", run.name),
        found,
        allowed,
    })
}

fn runs(engine: &Engine, layer: &Layer) -> Result<Vec<Run>, Fault> {
    let mut runs = Vec::new();
    if engine.gpu().is_some() {
        runs.push(on_device(engine, layer)?);
    }
    runs.push(on_cpu(layer)?);
    Ok(runs)
}

fn on_device(engine: &Engine, layer: &Layer) -> Result<Run, Fault> {
    let (problem, inputs) = (&layer.problem, layer.inputs());
    let name = engine.label();
    let message = format!("{} tokens on {name}", problem.shape().q_len);
    let compute = || during(&message, || engine.forward(problem, &inputs));
    let start = Instant::now();
    let outputs = compute()?;
    let mut with_transfers = start.elapsed();
    let mut time = None;
    if with_transfers < PATIENCE {
        let start = Instant::now();
        check_repeated(&name, &outputs, &compute()?)?;
        with_transfers = start.elapsed();
        time = engine
            .gpu()
            .map(|gpu| resident_time(gpu, layer))
            .transpose()?;
    }
    Ok(Run {
        name,
        outputs,
        time,
        with_transfers: Some(with_transfers),
    })
}

/// Two runs give the same bits.
fn check_repeated(name: &str, first: &Outputs, second: &Outputs) -> Result<(), Fault> {
    if first == second {
        return Ok(());
    }
    Err(Fault::Disagreement {
        what: format!("difference of two runs on {name}"),
        found: largest_error(&second.out, &widened(&first.out)),
        allowed: 0.0,
    })
}

fn resident_time(gpu: &Gpu, layer: &Layer) -> Result<Duration, Fault> {
    let resident = Resident::new(gpu, &layer.problem, &layer.inputs())?;
    let message = format!("{} tokens again", layer.problem.shape().q_len);
    let run = || during(&message, || resident.run());
    run()?;
    Ok(figures::median(timed(BUDGET, RUNS, run)?))
}

fn on_cpu(layer: &Layer) -> Result<Run, Fault> {
    let (problem, inputs) = (&layer.problem, layer.inputs());
    let message = format!("{} tokens on the CPU", problem.shape().q_len);
    let compute = || during(&message, || Engine::Cpu.forward(problem, &inputs));
    let outputs = compute()?;
    let times = timed(BUDGET, RUNS, || compute().map(drop))?;
    Ok(Run {
        name: "cpu::Tiled".into(),
        outputs,
        time: Some(figures::median(times)),
        with_transfers: None,
    })
}

impl Row {
    fn of(run: &Run) -> Self {
        Self {
            name: run.name.clone(),
            seconds: run.time.map(|time| time.as_secs_f64()),
            seconds_with_transfers: run.with_transfers.map(|time| time.as_secs_f64()),
            error_oracle: 0.0,
            error_recorded: None,
        }
    }

    fn cells(&self, recorded: bool) -> Vec<String> {
        let time = |seconds: Option<f64>| {
            seconds.map_or("-".into(), |seconds| {
                figures::time(Duration::from_secs_f64(seconds))
            })
        };
        let mut cells = vec![
            self.name.clone(),
            time(self.seconds),
            time(self.seconds_with_transfers),
            format!("{:.1e}", self.error_oracle),
        ];
        if recorded {
            cells.extend(self.error_recorded.map(|error| format!("{error:.1e}")));
        }
        cells
    }
}

impl Report {
    fn new(layer: &Layer, runs: &[Run]) -> Self {
        let shape = layer.problem.shape();
        let device_to_cpu = match runs {
            [device, cpu] => Some(largest_error(
                &device.outputs.out,
                &widened(&cpu.outputs.out),
            )),
            _ => None,
        };
        Self {
            batch: shape.batch,
            heads: shape.heads,
            length: shape.q_len,
            head_dim: shape.head_dim,
            rows: Vec::new(),
            device_to_cpu,
            oracle_rows: 0,
            oracle_error_recorded: None,
            saturation: layer.problem.thresholds().map_or(0, Thresholds::saturation),
            bias_bytes: bias_bytes(&layer.problem),
            matrix_bytes: matrix_bytes(shape),
        }
    }

    pub(super) fn text(&self, heading: &str) -> String {
        let Self {
            batch,
            heads,
            length,
            head_dim,
            oracle_rows,
            ..
        } = self;
        let mut text = format!(
            "{heading}\n  batch {batch}, {heads} heads, {length} tokens, {head_dim} features a head\n\n{}\n",
            self.table()
        );
        if oracle_rows < length {
            text += &format!(
                "\n  the oracle (f64, by the formula, slow) computed {oracle_rows} query rows of each head"
            );
        }
        if self.rows.iter().any(|row| row.seconds.is_none()) {
            text += "\n  the device ran only once, because it takes long";
        }
        if let Some(error) = self.oracle_error_recorded {
            text += &format!(
                "\n  the oracle (f64, by the formula) is {error:.1e} from the recorded output, which is f32"
            );
        }
        if let Some(difference) = self.device_to_cpu {
            text += &format!(
                "\n  device and CPU differ by {difference:.1e} at most, over the whole output"
            );
        }
        text += &format!(
            "\n  the bias takes {} (a number for each head and offset up to ±{}, and the learned table);\n  \
             an [H, N, N] matrix of it would take {}\n",
            figures::bytes(self.bias_bytes),
            self.saturation,
            figures::bytes(self.matrix_bytes)
        );
        text
    }

    fn table(&self) -> String {
        let recorded = self.oracle_error_recorded.is_some();
        let mut header = vec!["", "time", "with transfers", "error to oracle"];
        if recorded {
            header.push("to recorded output");
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header(header);
        for row in &self.rows {
            table.add_row(row.cells(recorded));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
            column.set_padding((2, 1));
        }
        table
            .lines()
            .map(|line| format!(" {}", line.trim_end()))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The learned table, and the bias by offset that is made of it.
fn bias_bytes(problem: &Problem) -> u64 {
    4 * problem.elements(Tensor::Table) + problem.offset_table_bytes()
}

fn matrix_bytes(shape: &Shape) -> u64 {
    4 * u64::from(shape.heads) * u64::from(shape.q_len) * u64::from(shape.k_len)
}
