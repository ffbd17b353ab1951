//! `cargo bench --bench families`: every bias beside none, windows and documents beside the full pass, a decoding step split over
//! its keys beside the same unsplit; in turn, round after round, on several devices, as medians of ratios within a round.

use relattn::cpu::{Attention, Inputs, Tiled};
use relattn::plan::{Bound, Forward};
use relattn::{
    Bias, IndexFormat, Kerple, Layout, Mask, Problem, ProblemBuilder, Scale, Shape, Window,
};
use relattn_bench::rig;
use relattn_bench::rig::case::{HEAD_DIM, HEADS, SCALE, T5, assert_within};
use relattn_bench::rig::device::Rig;
use relattn_bench::rig::report::{heading, load, median};
use relattn_bench::rig::tensors::Tensors;
use relattn_bench::rig::uploaded::Uploaded;

/// Something to time, and what its time is divided by.
struct Contender {
    name: &'static str,
    kernel: String,
    bound: Bound,
    uploaded: Uploaded,
    /// The position of the contender that it is compared with.
    against: usize,
}

/// Contenders of one shape, which read the same queries, keys and values.
struct Contest<'a> {
    rig: &'a Rig,
    /// How often a pass is recorded in the submission that is timed.
    repeats: u32,
    contenders: Vec<Contender>,
}

/// The decoding steps of a submission, as the layers of a model are. With one alone a software driver waits longer for its second
/// thread to wake than either contender takes.
const LAYERS: u32 = 24;

/// Where the code of kernels lies moves a ratio by some hundredths.
const DEVICES: usize = 5;

fn main() {
    println!("{}", heading(&Rig::open()));
    for n in rig::lengths_or(&[1024, 4096]) {
        compare(&format!("biases, N = {n}"), 3, |rig| biases(rig, n));
    }
    let n = if rig::quick() { 512 } else { 8192 };
    compare(&format!("masks, N = {n}"), 3, |rig| masks(rig, n));
    for heads in [1, HEADS] {
        let title = format!("a row of {heads} heads against {n} keys, one of {LAYERS} steps");
        compare(&title, 15, |rig| decoding(rig, heads, n));
    }
    println!("load afterwards: {}", load());
}

/// Times the contenders in turn, on one device after the other, and prints medians.
fn compare(title: &str, rounds: usize, make: impl for<'a> Fn(&'a Rig) -> Contest<'a>) {
    let placements = rig::placements(DEVICES);
    let rounds = if rig::quick() { 1 } else { rounds };
    let mut names = Vec::new();
    let mut times = Vec::new();
    for placement in 0..placements {
        let rig = Rig::open();
        let contest = make(&rig);
        if placement == 0 {
            contest.describe();
        }
        names = contest.names();
        times.extend((0..rounds).map(|_| contest.round()));
    }
    println!("\n{title}, {placements} times {rounds} rounds");
    report(&names, &times);
}

/// Each contender by its name and what it is compared with, and its times in each round, in milliseconds.
fn report(names: &[(&str, usize)], times: &[Vec<f64>]) {
    for (n, &(name, against)) in names.iter().enumerate() {
        let of = times.iter().map(|round| round[n]);
        let ratios = times.iter().map(|round| round[n] / round[against]);
        println!(
            "{name:<20} {:>9.2} ms {:>8.3} of {}",
            median(of.collect()),
            median(ratios.collect()),
            names[against].0
        );
    }
    println!();
}

fn shape(n: u32) -> Shape {
    Shape {
        batch: 1,
        heads: HEADS,
        kv_heads: HEADS,
        q_len: n,
        k_len: n,
        head_dim: HEAD_DIM,
    }
}

fn builder(shape: Shape) -> ProblemBuilder {
    Problem::builder(shape).scale(Scale::Value(SCALE))
}

fn biases(rig: &Rig, n: u32) -> Contest<'_> {
    let indexed = Bias::Indexed {
        rows: 32,
        matrices: 1,
        each_sequence: false,
        format: IndexFormat::U8,
    };
    let dense = Layout::dense_bias(&shape(n), false, false).expect("32 bits");
    let all = [
        ("none", Bias::None),
        ("T5", T5),
        ("ALiBi", Bias::Alibi),
        ("per offset, R = 128", Bias::PerOffset { max_offset: 128 }),
        ("per offset, R = N", Bias::PerOffset { max_offset: n }),
        ("KERPLE, log", Bias::Kerple(Kerple::Log)),
        ("Sandwich", Bias::Sandwich { dimensions: 128 }),
        ("FIRE", Bias::Fire { width: 32 }),
        ("index matrix, u8", indexed),
        ("dense, one for all", Bias::Dense(dense)),
    ];
    let mut contest = Contest::new(rig);
    for (name, bias) in all {
        contest.add(name, &builder(shape(n)).bias(bias), 0, |forward| forward);
    }
    let gated = builder(shape(n)).bias(T5).gated(true);
    contest.add("T5, gated", &gated, 0, |forward| forward);
    contest
}

fn masks(rig: &Rig, n: u32) -> Contest<'_> {
    let window = Mask {
        window: Some(Window {
            left: 128,
            right: 127,
        }),
        ..Mask::NONE
    };
    let documents = Mask {
        documents: true,
        ..Mask::NONE
    };
    let all = [
        ("full", Mask::NONE),
        ("window of 256", window),
        ("16 documents", documents),
        ("causal", Mask::CAUSAL),
    ];
    let mut contest = Contest::new(rig);
    for (name, mask) in all {
        contest.add(name, &builder(shape(n)).mask(mask), 0, |forward| forward);
    }
    contest
}

fn decoding(rig: &Rig, heads: u32, n: u32) -> Contest<'_> {
    let shape = Shape {
        heads,
        kv_heads: heads,
        q_len: 1,
        ..shape(n)
    };
    let offset = i32::try_from(n - 1).expect("a small length");
    let step = builder(shape).bias(T5).query_offset(offset);
    let mut contest = Contest::new(rig);
    contest.repeats = LAYERS;
    contest.add("split", &step, 1, |forward| forward);
    contest.add("unsplit", &step, 0, |forward| forward.with_splits(1));
    contest
}

impl<'a> Contest<'a> {
    const fn new(rig: &'a Rig) -> Self {
        Self {
            rig,
            repeats: 1,
            contenders: Vec::new(),
        }
    }

    /// Binds a pass, and compares its result with `cpu::Tiled`.
    fn add(
        &mut self,
        name: &'static str,
        problem: &ProblemBuilder,
        against: usize,
        plan: impl Fn(Forward) -> Forward,
    ) {
        let rig = self.rig;
        let problem = problem.clone().build().expect("a valid problem");
        let tensors = Tensors::generate(&problem);
        // Documents that lie one behind the other, as those of a packed batch do.
        let n = problem.shape().k_len;
        let blocks: Vec<u32> = (0..n).map(|row| row * 16 / n).collect();
        let documents = problem.mask().documents.then_some(&blocks[..]);
        let inputs = Inputs {
            query_documents: documents,
            key_documents: documents,
            ..tensors.inputs()
        };
        let forward = plan(rig.context.forward(&problem).expect("a kernel"));
        let mut uploaded = Uploaded::new(rig, &problem, &inputs);
        if let Some(first) = self.contenders.first() {
            uploaded = uploaded.reading(&first.uploaded);
        }
        let bound = forward.bind(&uploaded.operands(false));
        let bound = bound.unwrap_or_else(|error| panic!("{:?}: {error}", problem.shape()));
        rig.time(|encoder| bound.encode(encoder));
        let expected = Tiled.forward(&problem, &inputs);
        // Sandwich adds up to 64 to a score, of which f32 keeps 4e-6.
        let tolerance = 2e-5;
        let expected = expected.expect("valid inputs").out;
        assert_within(tolerance, name, &uploaded.out(rig), &expected);
        self.contenders.push(Contender {
            name,
            kernel: forward.variant().to_string(),
            bound,
            uploaded,
            against,
        });
    }

    /// Which kernels they are, and what they made for themselves.
    fn describe(&self) {
        for one in &self.contenders {
            println!(
                "{:<20} {} · {} dispatches, {} bytes of its own",
                one.name,
                one.kernel,
                one.bound.dispatches(),
                one.bound.workspace_bytes()
            );
        }
    }

    fn names(&self) -> Vec<(&'static str, usize)> {
        let all = self.contenders.iter();
        all.map(|one| (one.name, one.against)).collect()
    }

    /// The time of each, in milliseconds.
    fn round(&self) -> Vec<f64> {
        let time = |one: &Contender| {
            let took = self.rig.time_pass(|encoder| {
                for _ in 0..self.repeats {
                    one.bound.encode(encoder);
                }
            });
            1e3 * took.as_secs_f64() / f64::from(self.repeats)
        };
        self.contenders.iter().map(time).collect()
    }
}
