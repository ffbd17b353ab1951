//! Every kernel that tuning may choose is right, and what it chooses is used, kept and told.

#![cfg(feature = "tuning-file")]

mod harness;

use std::path::Path;

use harness::adapters::shared;
use harness::compare::Reference;
use harness::data::Data;
use harness::gradients::GradientReference;
use relattn::plan::{Candidate, Reason, candidates, candidates_backward};
use relattn::tune::{TuningFile, TuningFileError};
use relattn::{
    Bias, Context, Dtype, Error, InputError, Mask, Packed, Problem, ProblemBuilder,
    RelativeBuckets, Shape, wgpu,
};

const T5: Bias = Bias::Relative(RelativeBuckets::t5_encoder());

fn builder([heads, q_len, k_len, head_dim]: [u32; 4]) -> ProblemBuilder {
    Problem::builder(Shape {
        batch: 1,
        heads,
        kv_heads: 1,
        q_len,
        k_len,
        head_dim,
    })
}

/// Many rows, rows of 16 bits that are no whole tile, and few rows in parts.
fn problems() -> Vec<Problem> {
    let halves = builder([2, 90, 75, 18]).dtype(Dtype::F16).value_dim(34);
    let few = builder([2, 5, 1300, 20]).bias(Bias::Alibi);
    [
        builder([2, 150, 140, 20]).bias(T5),
        halves.mask(Mask::CAUSAL).bias(Bias::Fire { width: 3 }),
        few.query_offset(1295).mask(Mask::CAUSAL),
    ]
    .map(|builder| builder.build().expect("a valid problem"))
    .into()
}

/// A device that validates everything and executes nothing, for what does not depend on results.
fn noop() -> Context {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    Context::new(&device, &queue)
}

fn small() -> Problem {
    builder([1, 20, 20, 4]).build().expect("a valid problem")
}

#[test]
fn every_candidate_equals_the_oracle() {
    for problem in problems() {
        let data = Data::generate(&problem, 7);
        let reference = Reference::new(&problem, &data.inputs());
        for (name, context) in shared().iter() {
            let all = candidates(&problem, &context.capabilities());
            assert!(all.len() > 2, "{name}: {all:?}");
            for candidate in all {
                let forward = context.forward_by(&problem, candidate).expect("a kernel");
                assert_eq!(forward.reasons(), [Reason::Asked]);
                let found = harness::device::run(context, &forward, &problem, &data);
                let checked = found.and_then(|found| reference.check(&found));
                checked.unwrap_or_else(|error| panic!("{name}: {candidate}: {error}"));
            }
        }
    }
}

#[test]
fn every_backward_candidate_equals_the_oracle() {
    for problem in &problems()[..2] {
        let data = Data::generate(problem, 7);
        let dout = harness::backward::dout(problem, 17);
        let reference = GradientReference::new(problem, &data.inputs(), &dout);
        for (name, context) in shared().iter() {
            for candidate in candidates_backward(problem, &context.capabilities()) {
                let backward = context.backward_by(problem, candidate).expect("kernels");
                let found = harness::backward::run(context, &backward, problem, &data, &dout);
                let checked = found.and_then(|found| reference.check(&found));
                checked.unwrap_or_else(|error| panic!("{name}: {candidate}: {error}"));
            }
        }
    }
}

#[test]
fn what_is_tuned_is_used_and_told() {
    let problem = &problems()[0];
    let same_class = builder([2, 129, 256, 20]).bias(T5).build().expect("valid");
    let other_class = builder([2, 128, 256, 20]).bias(T5).build().expect("valid");
    for (name, context) in shared().iter() {
        // Of its own, so that other tests do not meet what is tuned here.
        let context = Context::new(context.device(), context.queue());
        let report = context.tune(problem).expect("times");
        let timed: Vec<Candidate> = report
            .times
            .iter()
            .map(|&(candidate, _)| candidate)
            .collect();
        assert_eq!(
            timed,
            candidates(problem, &context.capabilities()),
            "{name}"
        );
        assert!(timed.contains(&report.fastest) && timed.contains(&report.ruled));
        for problem in [problem, &same_class] {
            let forward = context.clone().forward(problem).expect("a kernel");
            let (variant, fastest) = (forward.variant(), report.fastest);
            assert_eq!(
                (variant.algorithm, variant.rows),
                (fastest.algorithm, fastest.rows)
            );
            let reasons = forward.reasons();
            assert!(matches!(reasons[..], [Reason::Tuned(_)]), "{reasons:?}");
            assert!(
                reasons[0].to_string().starts_with("tuned: "),
                "{}",
                reasons[0]
            );
        }
        let other = context.forward(&other_class).expect("a kernel");
        assert!(!matches!(other.reasons()[..], [Reason::Tuned(_)]), "{name}");
        let used = report.to_string();
        assert!(
            used.contains(&format!("{}  used", report.fastest)),
            "{used}"
        );
    }
}

#[test]
fn a_backward_pass_is_tuned_apart() {
    let problem = small();
    for (name, context) in shared().iter() {
        let context = Context::new(context.device(), context.queue());
        let report = context.tune_backward(&problem).expect("times");
        let timed: Vec<Candidate> = report
            .times
            .iter()
            .map(|&(candidate, _)| candidate)
            .collect();
        assert_eq!(
            timed,
            candidates_backward(&problem, &context.capabilities()),
            "{name}"
        );
        let backward = context.backward(&problem).expect("kernels");
        for variant in backward.variants() {
            let found = (variant.scores.algorithm, variant.scores.rows);
            assert_eq!(
                found,
                (report.fastest.algorithm, report.fastest.rows),
                "{name}"
            );
        }
        assert!(
            matches!(backward.reasons()[..], [Reason::Tuned(_)]),
            "{name}"
        );
        let forward = context.forward(&problem).expect("a kernel");
        assert!(
            !matches!(forward.reasons()[..], [Reason::Tuned(_)]),
            "{name}"
        );
    }
}

/// Every tensor that a problem may have is made for the time being; a long problem is tuned on a part of it.
#[test]
fn problems_of_every_kind_can_be_tuned() {
    let context = noop();
    for case in harness::catalogue::catalogue().into_iter().step_by(8) {
        let problem = &case.problem;
        let backward = context.tune_backward(problem).map(|_| ());
        match (context.tune(problem), backward) {
            // More buffers than WebGPU's default limits have; a paged cache has no backward pass.
            (Ok(_) | Err(Error::DeviceLimit { .. }), Ok(()) | Err(Error::DeviceLimit { .. })) => {}
            (Ok(_), Err(Error::Input(InputError::NoBackward { .. }))) => {}
            (forward, backward) => panic!("{}: {forward:?}, {backward:?}", case.name),
        }
    }
    let long = builder([32, 1 << 18, 1 << 18, 64]).mask(Mask::CAUSAL);
    // q alone takes 2 GiB.
    let report = context.tune(&long.build().expect("a valid problem"));
    assert!(report.expect("times").class.contains("q262144"));
}

#[test]
fn what_is_no_candidate_is_refused() {
    let context = noop();
    let problem = small();
    let good = candidates(&problem, &context.capabilities())[0];
    for bad in [
        Candidate { rows: 7, ..good },
        Candidate { splits: 2, ..good },
        Candidate { splits: 0, ..good },
        Candidate {
            algorithm: relattn::plan::Algorithm::Decode,
            rows: 1,
            splits: 1,
        },
    ] {
        let refused = context.forward_by(&problem, bad).map(|_| ());
        assert_eq!(refused, Err(Error::Candidate { found: bad }));
        let refused = context.backward_by(&problem, bad).map(|_| ());
        assert_eq!(refused, Err(Error::Candidate { found: bad }));
    }
}

fn with_file(path: &Path) -> Context {
    noop().with_tuning(TuningFile::open(path).expect("a file"))
}

fn is_tuned(context: &Context) -> bool {
    let forward = context.forward(&small()).expect("a kernel");
    matches!(forward.reasons()[..], [Reason::Tuned(_)])
}

/// Changes one value of the only record of a file.
fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("a file");
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).expect("written");
}

#[test]
fn a_file_is_read_by_the_next_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tuning.json");
    let context = with_file(&path);
    assert!(!path.exists() && !is_tuned(&context));
    let report = context.tune(&small()).expect("times");
    let read = with_file(&path);
    assert!(is_tuned(&read));
    // Whatever was the fastest, another is told from it.
    let (old, rows) = (
        report.fastest.rows,
        if report.fastest.rows == 2 { 1 } else { 2 },
    );
    edit(
        &path,
        &format!("\"rows\": {old}"),
        &format!("\"rows\": {rows}"),
    );
    let forward = with_file(&path).forward(&small()).expect("a kernel");
    assert_eq!(forward.variant().rows, rows);
    assert!(!is_tuned(&noop()), "a context without the file");
    assert!(!is_tuned(&noop().with_checks(relattn::Checks::All)));
}

#[test]
fn records_of_others_are_kept_and_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    for (field, value) in [
        ("\"adapter\": \"", "\"adapter\": \"another "),
        ("\"driver\": \"", "\"driver\": \"another "),
        ("\"version\": \"", "\"version\": \"9."),
        ("\"class\": \"forward", "\"class\": \"another"),
        ("\"algorithm\": \"", "\"algorithm\": \"another "),
        ("\"splits\": 1", "\"splits\": 2"),
    ] {
        let path = folder.path().join("tuning.json");
        let _ = std::fs::remove_file(&path);
        with_file(&path).tune(&small()).expect("times");
        assert!(is_tuned(&with_file(&path)));
        edit(&path, field, value);
        let context = with_file(&path);
        assert!(!is_tuned(&context), "{value}");
        context.tune_backward(&small()).expect("times");
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(text.contains(value), "{value}");
    }
}

#[test]
fn a_file_that_is_none_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tuning.json");
    for text in [
        "",
        "{",
        "[1]",
        "{\"format\": 1}",
        "{\"format\": 1, \"records\": [{}]}",
    ] {
        std::fs::write(&path, text).expect("written");
        let found = TuningFile::open(&path).map(|_| ());
        let Err(TuningFileError::Corrupt { .. }) = found else {
            panic!("{text:?}: {found:?}");
        };
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), text);
    }
    std::fs::write(&path, "{\"format\": 2, \"anything\": 3}").expect("written");
    let found = TuningFile::open(&path).map(|_| ());
    let format = TuningFileError::Format {
        path: path.clone(),
        found: 2,
    };
    assert_eq!(found, Err(format));
    let found = TuningFile::open(folder.path()).map(|_| ());
    assert!(
        matches!(found, Err(TuningFileError::Read { .. })),
        "{found:?}"
    );
}

/// A file that became something else is not overwritten, and what was tuned is used all the same.
#[test]
fn what_cannot_be_written_is_remembered() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = folder.path().join("missing").join("tuning.json");
    let context = with_file(&nowhere);
    let found = context.tune(&small()).map(|_| ());
    let Err(Error::TuningFile(TuningFileError::Write { path, .. })) = found else {
        panic!("{found:?}");
    };
    assert_eq!(path, nowhere);
    assert!(is_tuned(&context));
    let path = folder.path().join("tuning.json");
    let context = with_file(&path);
    std::fs::write(&path, "somebody else's").expect("written");
    let found = context.tune(&small()).map(|_| ());
    let Err(Error::TuningFile(TuningFileError::Corrupt { .. })) = found else {
        panic!("{found:?}");
    };
    assert_eq!(
        std::fs::read_to_string(&path).expect("a file"),
        "somebody else's"
    );
    assert!(is_tuned(&context));
}

/// Several writers at once leave a whole file, and one after the other all that they have found.
#[test]
fn writers_do_not_spoil_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tuning.json");
    let problem = |n: u32| builder([1, 20 << n, 20, 4]).build().expect("valid");
    std::thread::scope(|scope| {
        for n in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..5 {
                    with_file(path).tune(&problem(n)).expect("times");
                    TuningFile::open(path).expect("a whole file");
                }
            });
        }
    });
    for n in 0..4 {
        with_file(&path).tune(&problem(n)).expect("times");
    }
    let context = with_file(&path);
    for n in 0..4 {
        let forward = context.forward(&problem(n)).expect("a kernel");
        assert!(matches!(forward.reasons()[..], [Reason::Tuned(_)]), "{n}");
    }
    let files = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(files, 1, "something is left behind");
}

#[test]
fn a_packed_batch_is_tuned_whole() {
    let mask = Mask {
        packed: Some(Packed { sequences: 3 }),
        ..Mask::NONE
    };
    let problem = builder([2, 60, 50, 8]).mask(mask).bias(T5).build();
    let problem = problem.expect("a valid problem");
    for (name, context) in shared().iter() {
        let context = Context::new(context.device(), context.queue());
        match context.tune(&problem) {
            Ok(report) => assert!(report.class.contains(" packed "), "{name}"),
            // Starts beside a table by offset.
            Err(Error::DeviceLimit { .. }) => println!("{name}: unsupported: too few buffers"),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}
