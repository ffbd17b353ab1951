//! Bad input: exit status 2, one line that says what was found and what is allowed, no output, no panic.

mod harness;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use harness::{Made, refused, relattn, small};
use safetensors::Dtype;
use tempfile::TempDir;

/// A folder with an input and the place of an output.
struct Place {
    folder: TempDir,
    input: PathBuf,
    output: PathBuf,
}

impl Place {
    fn new(contents: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let input = folder.path().join("in.safetensors");
        let output = folder.path().join("out.safetensors");
        std::fs::write(&input, contents).expect("written");
        Self {
            folder,
            input,
            output,
        }
    }

    fn refuses(&self, options: &[&str], words: &[&str]) {
        let mut arguments = vec!["attend".as_ref(), self.input.as_os_str()];
        arguments.extend([OsStr::new("-o"), self.output.as_os_str()]);
        if !options.contains(&"--device") {
            arguments.extend(["--device", "cpu"].map(OsStr::new));
        }
        arguments.extend(options.iter().map(OsStr::new));
        refused(&relattn(&arguments), words);
        let names = std::fs::read_dir(self.folder.path()).expect("a folder");
        assert_eq!(names.count(), 1, "something was written");
    }
}

fn with(name: &'static str, made: Made) -> HashMap<&'static str, Made> {
    let mut tensors = small();
    tensors.insert(name, made);
    tensors
}

#[test]
fn tensors_that_do_not_fit() {
    let half = Made {
        dtype: Dtype::F16,
        data: vec![0; 2 * 2 * 4 * 5 * 8],
        ..Made::floats(&[2, 4, 5, 8])
    };
    for (tensors, words) in [
        (
            with("q", Made::floats(&[4, 5, 8])),
            ["q", "[4, 5, 8]", "[B, H, Nq, D]"],
        ),
        (with("q", half), ["q", "F16", "F32"]),
        (
            with("k", Made::floats(&[2, 2, 7, 9])),
            ["k", "[2, 2, 7, 9]", "[2, 2, 7, 8]"],
        ),
        (
            with("k", Made::floats(&[3, 2, 7, 8])),
            ["k", "[3, 2, 7, 8]", "[2, 2, 7, 8]"],
        ),
        (
            with("v", Made::floats(&[2, 2, 6, 8])),
            ["v", "[2, 2, 6, 8]", "[2, 2, 7, 8]"],
        ),
        (
            with("table", Made::floats(&[31, 4])),
            ["table", "[31, 4]", "[32, 4]"],
        ),
        (
            with("table", Made::floats(&[32, 5])),
            ["table", "[32, 5]", "[32, 4]"],
        ),
        (
            with("key_mask", Made::floats(&[2, 7])),
            ["key_mask", "F32", "U8"],
        ),
        (
            with("key_mask", Made::bytes(&[7, 2])),
            ["key_mask", "[7, 2]", "[2, 7]"],
        ),
        (
            with("key_mask", Made::bytes(&[14])),
            ["key_mask", "[14]", "[2, 7]"],
        ),
    ] {
        Place::new(&harness::file(&tensors)).refuses(&[], &words);
    }
}

#[test]
fn absent_tensors() {
    for name in ["q", "k", "v", "table"] {
        let mut tensors = small();
        tensors.remove(name);
        let place = Place::new(&harness::file(&tensors));
        place.refuses(&[], &["no tensor", name, "key_mask"]);
    }
}

#[test]
fn sizes_that_no_kernel_serves() {
    let mut tensors = with("q", Made::floats(&[2, 3, 5, 8]));
    tensors.insert("table", Made::floats(&[32, 3]));
    Place::new(&harness::file(&tensors)).refuses(&[], &["3 query heads", "2 key/value heads"]);

    let mut tensors = small();
    for (name, shape) in [
        ("q", [1, 4, 1, 257]),
        ("k", [1, 2, 1, 257]),
        ("v", [1, 2, 1, 257]),
    ] {
        tensors.insert(name, Made::floats(&shape));
    }
    tensors.insert("key_mask", Made::bytes(&[1, 1]));
    Place::new(&harness::file(&tensors)).refuses(&[], &["257 features", "256"]);
}

#[test]
fn parameters_out_of_range() {
    let place = Place::new(&harness::file(&small()));
    for (options, words) in [
        (["--scale", "NaN"], ["scale is NaN", "finite"]),
        (["--scale", "-inf"], ["scale is -inf", "finite"]),
        (["--scale", "one"], ["invalid value", "--scale"]),
        (["--num-buckets", "3"], ["num_buckets is 3", "4..=2048"]),
        (["--num-buckets", "64"], ["[32, 4]", "[64, 4]"]),
        (["--max-distance", "8"], ["max_distance is 8", "9..="]),
        (
            ["--bias=alibi", "--query-offset=1000000000"],
            ["offset table", "at most"],
        ),
        (
            ["--query-offset", "2147483647"],
            ["query_offset is 2147483647", "1073741823"],
        ),
        (
            ["--query-offset", "-2147483648"],
            ["query_offset is -2147483648", "1073741823"],
        ),
        (["--direction", "up"], ["invalid value", "--direction"]),
        (["--bias", "rotary"], ["invalid value", "--bias"]),
        (
            ["--device", "abacus"],
            ["no device \"abacus\"", "auto, cpu, oracle"],
        ),
        (["--device", ""], ["no device \"\"", "auto, cpu, oracle"]),
    ] {
        place.refuses(&options, &words);
    }
}

/// The same on the adapter, where there is one, whose limits are lower than the CPU's.
#[test]
fn more_than_a_device_holds() {
    let place = Place::new(&harness::file(&small()));
    place.refuses(
        &[
            "--device",
            "auto",
            "--bias=alibi",
            "--query-offset=1000000000",
        ],
        &["offset table"],
    );
}

#[test]
fn files_that_cannot_be_read_or_written() {
    let place = Place::new(b"");
    place.refuses(&[], &["in.safetensors", "not a whole safetensors file"]);
    let place = Place::new(&harness::file(&small()));
    let input = place.input.as_os_str();
    let missing = place.folder.path().join("absent").join("x.safetensors");
    let [attend, o, device, cpu] = ["attend", "-o", "--device", "cpu"].map(OsStr::new);
    let folder = place.folder.path().as_os_str();
    for (from, to, words) in [
        (
            missing.as_os_str(),
            place.output.as_os_str(),
            "x.safetensors",
        ),
        (folder, place.output.as_os_str(), "error: "),
        (input, missing.as_os_str(), "cannot be written"),
        (input, folder, "cannot be written"),
        (input, input, "is the input too"),
    ] {
        refused(&relattn([attend, from, o, to, device, cpu]), &[words]);
    }
    let kept = std::fs::read(&place.input).expect("still there");
    assert_eq!(kept, std::fs::read(&place.input).expect("a file"));
    assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 1);
}

#[test]
fn a_failed_run_keeps_an_older_output() {
    let place = Place::new(&harness::file(&small()));
    std::fs::write(&place.output, "older").expect("written");
    let result = relattn([
        "attend".as_ref(),
        place.input.as_os_str(),
        "-o".as_ref(),
        place.output.as_os_str(),
        "--scale=nan".as_ref(),
    ]);
    refused(&result, &["scale"]);
    assert_eq!(std::fs::read(&place.output).expect("a file"), b"older");
}

#[test]
fn usage_errors() {
    for arguments in [
        &["attend"][..],
        &["frobnicate"],
        &["inspect", "--queries", "-1"],
    ] {
        let output = relattn(arguments);
        assert_eq!(output.status.code(), Some(2));
    }
}
