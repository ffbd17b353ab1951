//! `cargo bench --bench attention`: each operation by itself. Compare figures of one run only; `ratios` interleaves.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use relattn::{IndexFormat, wgpu};
use relattn_bench::rig;
use relattn_bench::rig::case::{Case, T5};
use relattn_bench::rig::device::Rig;
use relattn_bench::unfused::contender::{Resident, contenders, index};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let rig = Rig::open();
    host(&mut criterion, &rig);
    // Numbers among the arguments are criterion's.
    for n in rig::usual_lengths() {
        let case = Case::new(n);
        bucket_matrix(&mut criterion, &rig, &case);
        forward(&mut criterion, &rig, &case);
    }
    criterion.final_summary();
}

/// What the CPU does before a submission.
fn host(criterion: &mut Criterion, rig: &Rig) {
    let case = Case::new(rig::usual_lengths()[0]);
    let resident = Resident::new(rig, &case);
    let problem = case.problem(T5);
    let operands = resident.operands(T5);
    let forward = rig.context.forward(&problem).expect("a kernel");
    let bound = forward.bind(&operands).expect("a bound pass");
    let mut group = criterion.benchmark_group("host");
    group.bench_function("plan", |bencher| {
        bencher.iter(|| rig.context.forward(&problem));
    });
    group.bench_function("bind", |bencher| bencher.iter(|| forward.bind(&operands)));
    group.bench_function("encode", |bencher| {
        let record = |mut encoder: wgpu::CommandEncoder| {
            bound.encode(&mut encoder);
            encoder
        };
        bencher.iter_batched(|| rig.encoder(), record, BatchSize::PerIteration);
    });
    group.bench_function("encoder", |bencher| {
        bencher.iter(|| rig.encoder().finish());
    });
    group.bench_function("encoder, encode and finish", |bencher| {
        bencher.iter(|| {
            let mut encoder = rig.encoder();
            bound.encode(&mut encoder);
            encoder.finish()
        });
    });
    group.finish();
}

fn bucket_matrix(criterion: &mut Criterion, rig: &Rig, case: &Case) {
    let mut group = criterion.benchmark_group(format!("bucket matrix/{}", case.n));
    group.throughput(Throughput::Elements(u64::from(case.n) * u64::from(case.n)));
    for (name, format) in [("u32", IndexFormat::U32), ("u8", IndexFormat::U8)] {
        let index = index(rig, case, format);
        let buffer = rig.output(index.bytes());
        let bound = index.bind(&buffer.as_entire_buffer_binding());
        let bound = bound.expect("a bound pass");
        rig.time(|encoder| bound.encode(encoder));
        check_buckets(&rig.read(&buffer), case, format);
        let time = || rig.time(|encoder: &mut wgpu::CommandEncoder| bound.encode(encoder));
        sample(&mut group, name, time);
    }
    group.finish();
}

fn check_buckets(words: &[u32], case: &Case, format: IndexFormat) {
    let problem = case.problem(T5);
    let thresholds = problem.thresholds().expect("buckets");
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    let found: Vec<u32> = match format {
        IndexFormat::U32 => words.to_vec(),
        IndexFormat::U16 => words
            .iter()
            .flat_map(|word| [word & 0xffff, word >> 16])
            .collect(),
        IndexFormat::U8 => bytes.map(u32::from).collect(),
    };
    let n = i64::from(case.n);
    let expected = (0..n).flat_map(|i| (0..n).map(move |j| thresholds.bucket(j - i)));
    assert!(found.into_iter().eq(expected), "a bucket is wrong");
}

/// Forward passes; throughput counts the floating-point operations of the two products.
fn forward(criterion: &mut Criterion, rig: &Rig, case: &Case) {
    let resident = Resident::new(rig, case);
    let mut group = criterion.benchmark_group(format!("forward/{}", case.n));
    group.throughput(Throughput::Elements(case.problem(T5).cost().flops));
    for contender in &contenders(&resident) {
        sample(&mut group, contender.name, || contender.time());
    }
    group.finish();
}

fn sample(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, time: impl Fn() -> Duration) {
    group.sample_size(10);
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| time()).sum());
    });
}
