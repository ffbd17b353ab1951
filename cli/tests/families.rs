//! `relattn attend` with every bias and mask that it takes, by every way to compute.

mod harness;

use std::ffi::OsStr;
use std::path::Path;

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
    refused(&try_with(&["--bias", "t5"]), &["key_lengths", "-1", "0 on"]);
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
