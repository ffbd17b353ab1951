//! Files that are cut short or damaged: status 2 and no output, or a computation that ends well; never a panic.

mod harness;

use std::ffi::OsStr;

use harness::{Made, relattn, small, stderr};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Runs on these bytes; says whether they were accepted.
fn accepts(bytes: &[u8]) -> bool {
    accepts_with(bytes, &[])
}

fn accepts_with(bytes: &[u8], options: &[&str]) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.safetensors");
    let output = folder.path().join("out.safetensors");
    std::fs::write(&input, bytes).expect("written");
    let mut arguments = vec!["attend".as_ref(), input.as_os_str()];
    arguments.extend(["-o".as_ref(), output.as_os_str(), "--device=cpu".as_ref()]);
    arguments.extend(options.iter().map(OsStr::new));
    let result = relattn(&arguments);
    let text = stderr(&result);
    assert!(!text.contains("panicked"), "{text}");
    let files = std::fs::read_dir(folder.path()).expect("a folder").count();
    match result.status.code() {
        Some(0) => assert_eq!(files, 2),
        Some(2) => {
            assert_eq!(files, 1, "something was written");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
        other => panic!("status {other:?}: {text}"),
    }
    result.status.code() == Some(0)
}

#[test]
fn every_truncation_is_refused() {
    let whole = harness::file(&small());
    assert!(accepts(&whole));
    let header = 8 + usize::from(whole[0]) + 256 * usize::from(whole[1]);
    let near_ends = (0..24).chain(header - 8..header + 8);
    let spread = (24..whole.len()).step_by(whole.len() / 60);
    for length in near_ends.chain(spread).chain([whole.len() - 1]) {
        assert!(!accepts(&whole[..length]), "{length} of {}", whole.len());
    }
}

/// Damage in the data is only other numbers; in the header it may rename a tensor that is not needed.
#[test]
fn damage_never_panics() {
    let whole = harness::file(&small());
    let header = 8 + usize::from(whole[0]) + 256 * usize::from(whole[1]);
    let mut config = ProptestConfig::with_cases(150);
    config.failure_persistence = None;
    let damage = proptest::collection::vec((0..header, any::<u8>()), 1..4);
    TestRunner::new(config)
        .run(&damage, |changes| {
            let mut bytes = whole.clone();
            for (place, value) in changes {
                bytes[place] = value;
            }
            accepts(&bytes);
            Ok(())
        })
        .expect("no panic");
}

/// Digits are what damages shapes and offsets without damaging the JSON.
#[test]
fn other_digits_never_panic() {
    let whole = harness::file(&small());
    let header = 8 + usize::from(whole[0]) + 256 * usize::from(whole[1]);
    let digits = (8..header).filter(|&place| whole[place].is_ascii_digit());
    for place in digits {
        for digit in *b"09" {
            let mut bytes = whole.clone();
            bytes[place] = digit;
            accepts(&bytes);
        }
    }
}

/// The same with the tensors of a packed batch, which point at rows, and of biases that take sizes from them.
#[test]
fn other_digits_of_packed_and_summed_never_panic() {
    let mut tensors: std::collections::HashMap<_, _> = ["q", "k", "v"]
        .map(|name| (name, Made::floats(&[1, 2, 5, 4])))
        .into();
    tensors.extend([
        ("query_starts", Made::words(&[3], &[0, 2, 5])),
        ("key_starts", Made::words(&[3], &[0, 1, 5])),
        ("mask", Made::bytes(&[1, 2, 5, 5])),
        ("table", Made::floats(&[6, 2])),
        ("index", Made::words(&[2, 1, 5, 5], &[1; 50])),
        ("mlp.0.weight", Made::floats(&[3, 1])),
        ("mlp.0.bias", Made::floats(&[3])),
        ("mlp.2.weight", Made::floats(&[2, 3])),
        ("mlp.2.bias", Made::floats(&[2])),
        ("gate", Made::floats(&[1, 2, 5])),
    ]);
    let whole = harness::file(&tensors);
    let options = ["--bias=fire,index,alibi", "--rope=half"];
    assert!(accepts_with(&whole, &options));
    let header = 8 + usize::from(whole[0]) + 256 * usize::from(whole[1]);
    let digits = (8..header).filter(|&place| whole[place].is_ascii_digit());
    for place in digits {
        for digit in *b"03" {
            let mut bytes = whole.clone();
            bytes[place] = digit;
            accepts_with(&bytes, &options);
        }
    }
}
