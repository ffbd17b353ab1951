//! `cargo bench --bench candidates`: every kernel that can compute a pass on this device, timed by `Context::tune`, fastest first, beside
//! what the rules choose. A number among the arguments is a length; words choose cases whose names contain them all.

use relattn::{Bias, Context, Dtype, Mask, Problem, ProblemBuilder, Scale, Shape};
use relattn_bench::rig;
use relattn_bench::rig::case::{HEADS, SCALE, T5};
use relattn_bench::rig::device::Rig;
use relattn_bench::rig::report::{heading, load};

/// A pass of a problem.
struct Case {
    name: String,
    problem: Problem,
    backward: bool,
}

fn main() {
    let rig = Rig::open();
    println!("{}", heading(&rig));
    let wanted: Vec<String> = words().collect();
    for case in cases() {
        if wanted.iter().all(|word| case.name.contains(word)) {
            println!("\n{}\n{}", case.name, case.times(&rig.context));
        }
    }
    println!("load afterwards: {}", load());
}

/// The arguments that are neither options nor lengths.
fn words() -> impl Iterator<Item = String> {
    let arguments = std::env::args().skip(1);
    arguments.filter(|word| !word.starts_with('-') && word.parse::<u32>().is_err())
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for n in rig::lengths_or(&[1024, 4096]) {
        for dtype in [Dtype::F32, Dtype::F16] {
            for head_dim in [32, 64, 128] {
                cases.extend(both(&format!("T5 N{n}"), n, n, head_dim, dtype, |b| {
                    b.bias(T5)
                }));
            }
            let causal = |b: ProblemBuilder| b.bias(T5).mask(Mask::CAUSAL);
            cases.extend(both(&format!("T5 causal N{n}"), n, n, 64, dtype, causal));
            let fire = |b: ProblemBuilder| b.bias(Bias::Fire { width: 32 }).mask(Mask::CAUSAL);
            cases.extend(both(&format!("FIRE causal N{n}"), n, n, 64, dtype, fire));
        }
    }
    let keys = if rig::quick() { 512 } else { 8192 };
    for dtype in [Dtype::F32, Dtype::F16] {
        for (rows, head_dim) in [(1, 64), (1, 128), (4, 64)] {
            let decode = |b: ProblemBuilder| {
                let last = i32::try_from(keys - rows).expect("a small length");
                b.bias(T5).mask(Mask::CAUSAL).query_offset(last)
            };
            let name = format!("T5 decode {rows} row");
            let [forward, _] = both(&name, rows, keys, head_dim, dtype, decode);
            cases.push(forward);
        }
    }
    cases
}

/// The forward and the backward pass of a problem of eight heads.
fn both(
    name: &str,
    q_len: u32,
    k_len: u32,
    head_dim: u32,
    dtype: Dtype,
    of: impl Fn(ProblemBuilder) -> ProblemBuilder,
) -> [Case; 2] {
    let shape = Shape {
        batch: 1,
        heads: HEADS,
        kv_heads: HEADS,
        q_len,
        k_len,
        head_dim,
    };
    let plain = Problem::builder(shape)
        .dtype(dtype)
        .scale(Scale::Value(SCALE));
    let problem = of(plain).build().expect("a valid problem");
    [false, true].map(|backward| Case {
        name: format!(
            "{} {name} d{head_dim} {dtype:?}",
            if backward { "backward" } else { "forward" }
        ),
        problem: problem.clone(),
        backward,
    })
}

impl Case {
    fn times(&self, context: &Context) -> String {
        let tuned = match self.backward {
            true => context.tune_backward(&self.problem),
            false => context.tune(&self.problem),
        };
        match tuned {
            Ok(report) => report.to_string(),
            Err(error) => format!("not timed: {error}"),
        }
    }
}
