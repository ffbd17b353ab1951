//! `cargo bench --bench growth`: how time and memory of T5's fused pass grow with the length, forward and in both directions; in turn,
//! round after round, as medians.

use relattn::cpu::{Attention, AttentionGradient, Tiled};
use relattn::plan::Bound;
use relattn::{Problem, wgpu};
use relattn_bench::rig;
use relattn_bench::rig::case::{HEAD_DIM, HEADS, T5, assert_within, problem};
use relattn_bench::rig::device::Rig;
use relattn_bench::rig::report::{heading, load, median};
use relattn_bench::rig::tensors::Tensors;
use relattn_bench::rig::uploaded::{Differentiated, Uploaded};

/// Both directions at a length.
struct Length {
    n: u32,
    forward: Bound,
    backward: Bound,
    /// What the device holds beside q, k, v, the output and their gradients.
    more: u64,
}

fn main() {
    let rig = Rig::open();
    println!("{}", heading(&rig));
    let lengths = rig::lengths_or(&[2048, 4096, 8192, 16_384]);
    let longest = lengths.iter().copied().max().expect("a length");
    let lengths: Vec<_> = lengths.iter().map(|&n| Length::new(&rig, n)).collect();
    let rounds = if rig::quick() { 1 } else { 3 };
    println!("rounds: {rounds}; bytes beside q, k, v, the output and their gradients");
    let mut times = vec![[vec![], vec![]]; lengths.len()];
    for _ in 0..rounds {
        for (length, times) in lengths.iter().zip(&mut times) {
            let passes = passes_of(length.n, longest);
            let mean = |bound: &[&Bound]| {
                let total: f64 = (0..passes).map(|_| milliseconds(&rig, bound)).sum();
                total / f64::from(passes)
            };
            times[0].push(mean(&[&length.forward]));
            times[1].push(mean(&[&length.forward, &length.backward]));
        }
    }
    println!(
        "     N    forward ms  ps a score       both ms  ps a score        bytes  of the tensors"
    );
    for (length, times) in lengths.iter().zip(times) {
        length.report(times.map(median));
    }
    println!("load afterwards: {}", load());
}

impl Length {
    /// Binds both directions, and compares what they write with `cpu::Tiled`.
    fn new(rig: &Rig, n: u32) -> Self {
        let problem = problem(n, n, 0, T5);
        let tensors = Tensors::generate(&problem);
        let before = allocated(rig);
        let uploaded = Uploaded::new(rig, &problem, &tensors.inputs());
        let plan = rig.context.backward(&problem).expect("kernels");
        let differentiated = Differentiated::new(rig, &problem, &plan, tensors.dout());
        let forward = rig.context.forward(&problem).expect("a kernel");
        let forward = forward.bind(&uploaded.operands(true));
        let forward = forward.expect("buffers that fit");
        let backward = plan.bind(&differentiated.operands(&uploaded));
        let backward = backward.expect("buffers that fit");
        let more = match allocated(rig).zip(before) {
            Some((after, before)) => after - before - bytes_of_tensors(n),
            None => forward.workspace_bytes() + plan.workspace_bytes(),
        };
        milliseconds(rig, &[&forward, &backward]);
        check(rig, &problem, &tensors, &uploaded, &differentiated);
        Self {
            n,
            forward,
            backward,
            more,
        }
    }

    fn report(&self, [forward, both]: [f64; 2]) {
        let scores = f64::from(HEADS) * f64::from(self.n).powi(2);
        println!(
            "{:>6} {forward:>13.2} {:>11.2} {both:>13.2} {:>11.2} {:>12} {:>14.2} %",
            self.n,
            1e9 * forward / scores,
            1e9 * both / scores,
            self.more,
            100.0 * share(self.more, bytes_of_tensors(self.n))
        );
    }
}

/// Passes whose mean is one sample. A shared machine is slower now and then: one long pass has met its share of that, of which a short
/// one mostly meets nothing, and so would seem faster a score than it is. A quarter of the scores of the longest pass is enough.
fn passes_of(n: u32, longest: u32) -> u32 {
    (longest / n / 2).pow(2).max(1)
}

fn milliseconds(rig: &Rig, passes: &[&Bound]) -> f64 {
    let took = rig.time_pass(|encoder| passes.iter().for_each(|pass| pass.encode(encoder)));
    1e3 * took.as_secs_f64()
}

/// Bytes that live on the device, where the backend counts them.
fn allocated(rig: &Rig) -> Option<u64> {
    let device = rig.context.device();
    // What uploads were staged in is kept until something is submitted.
    rig.context.queue().submit([]);
    let idle = device.poll(wgpu::PollType::wait_indefinitely());
    idle.expect("the device is lost");
    let report = device.generate_allocator_report();
    report.map(|report| report.total_allocated_bytes)
}

/// q, k, v, the output and the gradients of the four.
fn bytes_of_tensors(n: u32) -> u64 {
    8 * 4 * u64::from(HEADS * n * HEAD_DIM)
}

#[expect(clippy::cast_precision_loss, reason = "a share to print")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// Panics unless what lies on the device is what `cpu::Tiled` says.
fn check(
    rig: &Rig,
    problem: &Problem,
    tensors: &Tensors,
    uploaded: &Uploaded,
    differentiated: &Differentiated,
) {
    let inputs = tensors.inputs();
    let outputs = Tiled.forward(problem, &inputs).expect("valid inputs");
    assert_within(5e-6, "out", &uploaded.out(rig), &outputs.out);
    let expected = Tiled.backward(problem, &inputs, &outputs, tensors.dout());
    let (expected, found) = (
        expected.expect("valid inputs"),
        differentiated.gradients(rig),
    );
    for (name, found, expected) in [
        ("dq", found.dq, expected.dq),
        ("dk", found.dk, expected.dk),
        ("dv", found.dv, expected.dv),
        (
            "dtable",
            found.dtable.expect("wanted"),
            expected.dtable.expect("wanted"),
        ),
    ] {
        let most = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        assert_within(1e-5 * most, name, &found, &expected);
    }
}
