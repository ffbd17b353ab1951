//! `relattn attend --backward` on recorded runs of T5, and what it refuses.

mod harness;

use std::collections::HashMap;

use harness::place::Place;
use harness::recorded_t5::{CASES, options};
use harness::{Made, floats, largest_error, recorded, relattn, small, stdout, succeeded, tensors};
use safetensors::Dtype;

/// `small()` with a gradient of the output.
fn with_dctx() -> HashMap<&'static str, Made> {
    let mut tensors = small();
    tensors.insert("dctx", Made::floats(&[2, 4, 5, 8]));
    tensors
}

/// Asserts that gradients are the recorded ones, up to a share of their largest entry.
fn check(device: &str, tolerance: f32) {
    let folder = tempfile::tempdir().expect("a folder");
    for case in CASES {
        let input = recorded(&format!("{case}.safetensors"));
        let output = folder.path().join("out.safetensors");
        let mut arguments = vec!["attend".into(), input.clone().into_os_string()];
        arguments.extend(["-o".into(), output.clone().into_os_string()]);
        arguments.extend(["--backward", "--device", device].map(Into::into));
        arguments.extend(options(&input).into_iter().map(Into::into));
        succeeded(&relattn(&arguments));
        let (found, expected) = (tensors(&output), tensors(&input));
        assert_eq!(found.len(), 6, "{:?}", found.keys());
        for name in ["dq", "dk", "dv", "dtable"] {
            assert_eq!(found[name].shape, expected[name].shape, "{name}");
            let expected = floats(&input, name);
            let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            let error = largest_error(&floats(&output, name), &expected) / largest;
            println!("{case} {name} {device}: {error:.2e}");
            assert!(error <= tolerance, "{case} {name} on {device}: {error:e}");
        }
        let error = largest_error(&floats(&output, "ctx"), &floats(&input, "ctx"));
        assert!(error <= 4e-6, "{case} on {device}: {error:e}");
    }
}

#[test]
fn the_oracle_gives_the_recorded_gradients() {
    check("oracle", 1.2e-7);
}

#[test]
fn the_cpu_gives_the_recorded_gradients() {
    check("cpu", 4e-6);
}

#[test]
fn the_best_device_gives_the_recorded_gradients() {
    check("auto", 4e-6);
}

#[test]
fn a_gradient_of_the_output_that_is_none() {
    let without = Place::new(&small());
    without.refuses(&["--backward"], &["no tensor dctx", "[B, H, Nq, Dv]"]);
    let half = Made {
        dtype: Dtype::F16,
        data: vec![0; 2 * 2 * 4 * 5 * 8],
        ..Made::floats(&[2, 4, 5, 8])
    };
    for (made, words) in [
        (Made::floats(&[2, 4, 5]), ["[2, 4, 5]", "[2, 4, 5, 8]"]),
        (
            Made::floats(&[2, 4, 5, 7]),
            ["[2, 4, 5, 7]", "[2, 4, 5, 8]"],
        ),
        (
            Made::floats(&[2, 2, 7, 8]),
            ["[2, 2, 7, 8]", "[2, 4, 5, 8]"],
        ),
        (half, ["F16", "F32"]),
    ] {
        let mut tensors = small();
        tensors.insert("dctx", made);
        let place = Place::new(&tensors);
        place.refuses(&["--backward"], &[&["dctx"], &words[..]].concat());
        // Who asks for no gradients may have anything there.
        assert_eq!(place.written("cpu", &[]).len(), 2);
    }
}

#[test]
fn the_summary_says_what_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.safetensors");
    let output = folder.path().join("out.safetensors");
    std::fs::write(&input, harness::file(&with_dctx())).expect("written");
    let run = |options: &[&str]| {
        let mut arguments = vec!["attend".into(), input.clone().into_os_string()];
        arguments.extend(["-o".into(), output.clone().into_os_string()]);
        arguments.extend(["--backward", "--device=cpu"].map(Into::into));
        arguments.extend(options.iter().map(Into::into));
        let result = relattn(&arguments);
        succeeded(&result);
        stdout(&result)
    };
    let summary: serde_json::Value = serde_json::from_str(&run(&["--json"])).expect("JSON");
    let names = ["ctx", "lse", "dq", "dk", "dv", "dtable"];
    assert_eq!(summary["tensors"], serde_json::json!(names));
    let kernel = summary["kernel"].as_str().expect("text");
    assert!(kernel.contains(", backward"), "{kernel}");
    let text = run(&[]);
    assert!(
        text.contains("ctx, lse, dq, dk, dv and dtable to"),
        "{text}"
    );
}

/// Without keys, queries or sequences there are gradients all the same, of zeros or of nothing.
#[test]
fn nothing_to_differentiate() {
    for [batch, q_len, k_len] in [[2, 5, 0], [2, 0, 7], [0, 5, 7]] {
        let tensors = HashMap::from([
            ("q", Made::floats(&[batch, 4, q_len, 8])),
            ("k", Made::floats(&[batch, 2, k_len, 8])),
            ("v", Made::floats(&[batch, 2, k_len, 8])),
            ("dctx", Made::floats(&[batch, 4, q_len, 8])),
            ("table", Made::floats(&[32, 4])),
        ]);
        let place = Place::new(&tensors);
        for device in ["oracle", "cpu", "auto"] {
            let found = place.written(device, &["--backward"]);
            for name in ["q", "k", "v", "table"] {
                let gradient = &found[&format!("d{name}")];
                assert_eq!(gradient.shape, tensors[name].shape, "{name} on {device}");
                let zero = gradient.values().iter().all(|&value| value == 0.0);
                assert!(zero, "{name} on {device}");
            }
        }
    }
}
