//! `relattn attend` with every bias and mask that it takes, by every way to compute.

mod harness;

use std::ffi::OsStr;
use std::path::Path;

use harness::place::Place;
use harness::{Made, floats, largest_error, refused, relattn, small, succeeded};
use safetensors::Dtype;

/// An input with the tensors of every bias and mask.
fn everything() -> std::collections::HashMap<&'static str, Made> {
    let words = |shape: &[usize], values: &[u32]| Made {
        dtype: Dtype::U32,
        shape: shape.to_vec(),
        data: values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
    };
    let positive = |shape: &[usize]| {
        let mut made = Made::floats(shape);
        for word in made.data.chunks_exact_mut(4) {
            let value = f32::from_le_bytes(word.try_into().expect("four bytes"));
            word.copy_from_slice(&(value.abs() + 0.1).to_le_bytes());
        }
        made
    };
    let mut tensors = small();
    tensors.insert("slopes", positive(&[4]));
    tensors.insert("p", positive(&[4]));
    tensors.insert("a", positive(&[4]));
    tensors.insert("bias", Made::floats(&[1, 4, 5, 7]));
    let index: Vec<u32> = (0..35).map(|n| n * n % 34).collect();
    tensors.insert("index", words(&[5, 7], &index));
    tensors.insert("key_lengths", words(&[2], &[7, 3]));
    tensors
}

fn attend(input: &Path, output: &Path, device: &str, options: &[&str]) -> std::process::Output {
    let words = ["--device", device]
        .into_iter()
        .chain(options.iter().copied());
    let paths = [
        "attend".as_ref(),
        input.as_os_str(),
        "-o".as_ref(),
        output.as_os_str(),
    ];
    let arguments: Vec<&OsStr> = paths.into_iter().chain(words.map(OsStr::new)).collect();
    relattn(&arguments)
}

#[test]
fn every_way_to_compute_agrees() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.safetensors");
    let output = folder.path().join("out.safetensors");
    std::fs::write(&input, harness::file(&everything())).expect("written");
    let compute = |device: &str, options: &[&str]| {
        succeeded(&attend(&input, &output, device, options));
        floats(&output, "ctx")
    };
    let plain = compute("oracle", &["--bias", "none"]);
    for options in [
        &["--bias", "t5"][..],
        &["--bias", "alibi"],
        &["--bias", "kerple-log"],
        &["--bias", "kerple-power", "--query-offset", "2"],
        &["--bias", "sandwich", "--dimensions", "16"],
        &["--bias", "index"],
        &["--bias", "dense"],
        &["--bias", "none", "--window-left", "1"],
        &["--bias", "alibi", "--window-right", "2", "--causal"],
    ] {
        let exact = compute("oracle", options);
        assert!(
            largest_error(&exact, &plain) > 1e-3,
            "{options:?} changes nothing"
        );
        for device in ["cpu", "auto"] {
            let error = largest_error(&compute(device, options), &exact);
            assert!(error <= 2e-6, "{options:?} on {device}: {error:e}");
        }
    }
}

#[test]
fn a_table_by_offset_and_the_slopes_of_the_paper() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.safetensors");
    let output = folder.path().join("out.safetensors");
    let mut tensors = everything();
    tensors.insert("table", Made::floats(&[7, 4]));
    tensors.remove("slopes");
    std::fs::write(&input, harness::file(&tensors)).expect("written");
    for options in [
        &["--bias", "offset", "--max-offset", "3"][..],
        &["--bias", "alibi"],
    ] {
        succeeded(&attend(&input, &output, "oracle", options));
        let exact = floats(&output, "ctx");
        succeeded(&attend(&input, &output, "auto", options));
        assert!(
            largest_error(&floats(&output, "ctx"), &exact) <= 2e-6,
            "{options:?}"
        );
    }
    let wrong = attend(
        &input,
        &output,
        "cpu",
        &["--bias", "offset", "--max-offset", "4"],
    );
    refused(&wrong, &["table", "[7, 4]", "[9, 4]"]);
}

#[test]
fn bad_families_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.safetensors");
    let output = folder.path().join("out.safetensors");
    let mut tensors = everything();
    tensors.remove("p");
    let lengths = Made {
        dtype: Dtype::I32,
        shape: vec![2],
        data: [3_i32, -1].into_iter().flat_map(i32::to_le_bytes).collect(),
    };
    tensors.insert("key_lengths", lengths);
    std::fs::write(&input, harness::file(&tensors)).expect("written");
    let try_with = |options: &[&str]| attend(&input, &output, "cpu", options);
    refused(&try_with(&["--bias", "kerple-log"]), &["p", "[H]"]);
    refused(
        &try_with(&["--bias", "t5"]),
        &["key_lengths", "-1", "from 0 to 4294967295"],
    );
    refused(
        &try_with(&["--bias", "sandwich", "--dimensions", "7"]),
        &["dimensions is 7", "even"],
    );
    tensors.insert(
        "key_lengths",
        Made {
            dtype: Dtype::U8,
            shape: vec![2],
            data: vec![8, 1],
        },
    );
    std::fs::write(&input, harness::file(&tensors)).expect("written");
    refused(
        &attend(&input, &output, "cpu", &["--bias", "t5"]),
        &["one of key_lengths is 8", "at most 7"],
    );
    assert!(!output.exists());
}

/// Scripts give the options of one bias to every other.
#[test]
fn options_that_nothing_reads_are_named() {
    let place = Place::new(&everything());
    let options = ["--bias=alibi", "--num-buckets=32", "--max-distance=128"];
    let (found, notes) = place.noted(&options);
    assert_eq!(found, place.ctx("cpu", &["--bias=alibi"]));
    for option in ["--num-buckets", "--max-distance"] {
        let note = format!("note: {option} is for --bias t5; --bias alibi does not read it");
        assert!(notes.contains(&note), "no {note:?} in {notes}");
    }
}

/// The types that programs write, with numpy's and torch's default among them.
const INTEGERS: [Dtype; 8] = [
    Dtype::U8,
    Dtype::I8,
    Dtype::U16,
    Dtype::I16,
    Dtype::U32,
    Dtype::I32,
    Dtype::U64,
    Dtype::I64,
];

#[test]
fn integers_of_every_type_are_the_same() {
    let place = |dtype| {
        let integers = |shape: &[usize], of: &dyn Fn(i128) -> i128| {
            let values: Vec<i128> = (0..).map(of).take(shape.iter().product()).collect();
            Made::integers(dtype, shape, &values)
        };
        let mut tensors = everything();
        tensors.extend([
            ("index", integers(&[5, 7], &|n| n * n % 34)),
            ("key_lengths", integers(&[2], &|n| 7 - 2 * n)),
            ("query_lengths", integers(&[2], &|n| 4 + n)),
            ("query_documents", integers(&[2, 5], &|n| n % 5 / 3)),
            ("key_documents", integers(&[2, 7], &|n| n % 7 / 4)),
        ]);
        Place::new(&tensors)
    };
    let options = ["--bias=index"];
    let expected = place(Dtype::U32).ctx("oracle", &options);
    for dtype in INTEGERS {
        let found = place(dtype).ctx("oracle", &options);
        assert_eq!(found, expected, "{dtype}");
    }
    // These have a format of their own on a device.
    for dtype in [Dtype::U8, Dtype::U16] {
        let found = place(dtype).ctx("auto", &options);
        let error = largest_error(&found, &expected);
        assert!(error <= 2e-6, "{dtype}: {error:e}");
    }
}

#[test]
fn starts_of_every_type_are_the_same() {
    let place = |dtype| {
        let mut tensors = small();
        tensors.remove("key_mask");
        for (name, shape) in [
            ("q", [1, 4, 5, 8]),
            ("k", [1, 2, 7, 8]),
            ("v", [1, 2, 7, 8]),
        ] {
            tensors.insert(name, Made::floats(&shape));
        }
        for (name, starts) in [("query_starts", [0, 2, 5]), ("key_starts", [0, 3, 7])] {
            tensors.insert(name, Made::integers(dtype, &[3], &starts));
        }
        Place::new(&tensors)
    };
    let expected = place(Dtype::U32).ctx("oracle", &[]);
    for dtype in INTEGERS {
        assert_eq!(place(dtype).ctx("oracle", &[]), expected, "{dtype}");
    }
}

#[test]
fn integers_past_32_bits_are_refused() {
    for (dtype, value) in [
        (Dtype::I8, -128),
        (Dtype::I16, -2),
        (Dtype::I32, -1),
        (Dtype::I64, -1),
        (Dtype::I64, 1 << 32),
        (Dtype::U64, u64::MAX.into()),
    ] {
        for (name, shape) in [("index", &[5, 7][..]), ("key_lengths", &[2])] {
            let mut values = vec![0; shape.iter().product()];
            values[1] = value;
            let mut tensors = everything();
            tensors.insert(name, Made::integers(dtype, shape, &values));
            let words = [name, &value.to_string(), "from 0 to 4294967295"];
            Place::new(&tensors).refuses(&["--bias=index"], &words);
        }
    }
    let mut tensors = everything();
    tensors.insert("index", Made::floats(&[5, 7]));
    Place::new(&tensors).refuses(&["--bias=index"], &["index", "F32", "U64 or I64"]);
}
