//! relattn's side of `peers/compare.py`: reads the tensors of a folder, writes an output there, and then computes it once more for each line that
//! it reads, with the milliseconds as an answer.
//!
//! ```text
//! relattn-peer cpu|gpu|gpu-no-bias|gpu-f16|gpu-f16-no-bias|gpu-host FOLDER N THREADS
//! ```

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use relattn::cpu::{Attention, Inputs, Tiled};
use relattn::run::OnDevice;
use relattn::{Bias, Dtype, Problem, RelativeBuckets, Scale, Shape};
use relattn_bench::rig::device::Rig;
use relattn_bench::rig::uploaded::Uploaded;

const HEADS: u32 = 8;
const HEAD_DIM: u32 = 64;
const SCALE: f32 = 0.125;
const T5: Bias = Bias::Relative(RelativeBuckets::t5_encoder());

const KINDS: &str = "cpu|gpu|gpu-no-bias|gpu-f16|gpu-f16-no-bias|gpu-host";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What all contenders read.
struct Tensors {
    folder: PathBuf,
    n: u32,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    table: Vec<f32>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [who, folder, n, threads] = &arguments[..] else {
        return Err(format!("relattn-peer {KINDS} FOLDER N THREADS").into());
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?);
    pool.build_global()?;
    let tensors = Tensors::read(Path::new(folder), n.parse()?)?;
    match who.as_str() {
        "cpu" => on_the_processor(&tensors),
        "gpu" => on_a_device(&tensors, tensors.problem(T5)?, true),
        "gpu-no-bias" => on_a_device(&tensors, tensors.problem(Bias::None)?, true),
        "gpu-f16" => on_a_device(&tensors, halves(&tensors.problem(T5)?)?, true),
        "gpu-f16-no-bias" => on_a_device(&tensors, halves(&tensors.problem(Bias::None)?)?, true),
        "gpu-host" => on_a_device(&tensors, tensors.problem(T5)?, false),
        _ => Err(format!("{who} is none of {KINDS}").into()),
    }
}

impl Tensors {
    fn read(folder: &Path, n: u32) -> Result<Self> {
        let read = |name: &str| -> Result<Vec<f32>> {
            let bytes = std::fs::read(folder.join(format!("{name}-{n}.f32")))?;
            Ok(bytemuck::pod_collect_to_vec(&bytes))
        };
        Ok(Self {
            folder: folder.to_owned(),
            n,
            q: read("q")?,
            k: read("k")?,
            v: read("v")?,
            table: read("table")?,
        })
    }

    fn problem(&self, bias: Bias) -> Result<Problem> {
        let shape = Shape {
            batch: 1,
            heads: HEADS,
            kv_heads: HEADS,
            q_len: self.n,
            k_len: self.n,
            head_dim: HEAD_DIM,
        };
        Ok(Problem::builder(shape)
            .bias(bias)
            .scale(Scale::Value(SCALE))
            .build()?)
    }

    /// Writes the output, says who is there, and times what is asked for.
    fn serve(&self, who: &str, out: &[f32], mut time: impl FnMut() -> f64) -> Result<()> {
        let path = self.folder.join(format!("out-{}.f32", std::process::id()));
        std::fs::write(path, bytemuck::cast_slice(out))?;
        println!("ready {who}");
        for line in std::io::stdin().lock().lines() {
            line?;
            println!("{}", time());
            std::io::stdout().flush()?;
        }
        Ok(())
    }
}

fn halves(problem: &Problem) -> Result<Problem> {
    Ok(problem.to_builder().dtype(Dtype::F16).build()?)
}

fn on_the_processor(tensors: &Tensors) -> Result<()> {
    let problem = tensors.problem(T5)?;
    let inputs = Inputs {
        table: Some(&tensors.table),
        ..Inputs::new(&tensors.q, &tensors.k, &tensors.v)
    };
    let found = Tiled.forward(&problem, &inputs)?;
    let who = format!("relattn {} cpu::Tiled", env!("CARGO_PKG_VERSION"));
    tensors.serve(&who, &found.out, || {
        let start = Instant::now();
        std::hint::black_box(Tiled.forward(&problem, &inputs).expect("the same inputs"));
        start.elapsed().as_secs_f64() * 1e3
    })
}

/// Everything resident, from submission until the device is idle; and from host memory to host memory.
fn on_a_device(tensors: &Tensors, problem: Problem, resident: bool) -> Result<()> {
    let rig = Rig::open();
    let mut inputs = Inputs::new(&tensors.q, &tensors.k, &tensors.v);
    inputs.table = (problem.table_rows() > 0).then_some(&tensors.table[..]);
    let uploaded = Uploaded::new(&rig, &problem, &inputs);
    let forward = rig.context.forward(&problem)?;
    let bound = forward.bind(&uploaded.operands(false))?;
    rig.time(|encoder| bound.encode(encoder));
    let who = format!(
        "relattn {} on {}, {}; {}",
        env!("CARGO_PKG_VERSION"),
        rig.info.name,
        rig.info.driver_info,
        forward.variant()
    );
    let out = uploaded.out(&rig);
    if resident {
        return tensors.serve(&who, &out, || {
            rig.time_pass(|encoder| bound.encode(encoder)).as_secs_f64() * 1e3
        });
    }
    let device = OnDevice::new(rig.context.clone());
    tensors.serve(&who, &out, || {
        let start = Instant::now();
        std::hint::black_box(device.forward(&problem, &inputs).expect("the same inputs"));
        start.elapsed().as_secs_f64() * 1e3
    })
}
