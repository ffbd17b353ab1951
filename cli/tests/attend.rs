//! `relattn attend` on recorded runs of T5, by every way to compute.

mod harness;

use std::collections::HashMap;

use harness::recorded_t5::{CASES, options};
use harness::{Made, floats, largest_error, recorded, relattn, stdout, succeeded};

fn check(device: &str, tolerance: f32) {
    let folder = tempfile::tempdir().expect("a folder");
    for case in CASES {
        let input = recorded(&format!("{case}.safetensors"));
        let output = folder.path().join("out.safetensors");
        let mut arguments = vec!["attend".into(), input.clone().into_os_string()];
        arguments.extend(["-o".into(), output.clone().into_os_string()]);
        arguments.extend(["--device".into(), device.into()]);
        arguments.extend(options(&input).into_iter().map(Into::into));
        succeeded(&relattn(&arguments));
        let error = largest_error(&floats(&output, "ctx"), &floats(&input, "ctx"));
        println!("{case} {device}: {error:.2e}");
        assert!(error <= tolerance, "{case} on {device}: {error:e}");
    }
}

#[test]
fn the_oracle_gives_the_recorded_output() {
    check("oracle", 3e-7);
}

#[test]
fn the_cpu_gives_the_recorded_output() {
    check("cpu", 4e-6);
}

#[test]
fn the_best_device_gives_the_recorded_output() {
    check("auto", 4e-6);
}

#[test]
fn the_summary_as_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.safetensors");
    let output = folder.path().join("out.safetensors");
    std::fs::write(&input, harness::file(&harness::small())).expect("written");
    let result = relattn([
        "attend".as_ref(),
        input.as_os_str(),
        "-o".as_ref(),
        output.as_os_str(),
        "--device".as_ref(),
        "cpu".as_ref(),
        "--json".as_ref(),
    ]);
    succeeded(&result);
    let summary: serde_json::Value = serde_json::from_str(&stdout(&result)).expect("JSON");
    assert_eq!(summary["device"], "cpu");
    assert_eq!(
        [&summary["heads"], &summary["kv_heads"], &summary["keys"]],
        [4, 2, 7]
    );
    assert_eq!(floats(&output, "lse").len(), 2 * 4 * 5);
}

/// The masked row of an empty sequence is zeros and −∞, and nothing but the output is left in the folder.
#[test]
fn hidden_keys_and_an_absent_bias() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.safetensors");
    let output = folder.path().join("out.safetensors");
    let mut tensors = harness::small();
    tensors.remove("table");
    let mask = Made {
        data: [[0; 7], [1; 7]].concat(),
        ..Made::bytes(&[2, 7])
    };
    tensors.insert("key_mask", mask);
    std::fs::write(&input, harness::file(&tensors)).expect("written");
    for device in ["auto", "cpu", "oracle"] {
        succeeded(&relattn([
            "attend".as_ref(),
            input.as_os_str(),
            "-o".as_ref(),
            output.as_os_str(),
            "--bias=none".as_ref(),
            "--scale=-0.5".as_ref(),
            "--device".as_ref(),
            device.as_ref(),
        ]));
        let (ctx, lse) = (floats(&output, "ctx"), floats(&output, "lse"));
        assert!(
            ctx[..4 * 5 * 8].iter().all(|&value| value == 0.0),
            "{device}"
        );
        assert!(
            ctx[4 * 5 * 8..].iter().any(|&value| value != 0.0),
            "{device}"
        );
        assert!(lse[..20].iter().all(|&value| value == f32::NEG_INFINITY));
        assert!(lse[20..].iter().all(|value| value.is_finite()), "{device}");
    }
    let names = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(names, 2);
}

/// More sequences than a device dispatches at once; with one key each, the output is its value.
#[test]
fn more_workgroups_than_a_device_dispatches() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("in.safetensors");
    let output = folder.path().join("out.safetensors");
    let many = 65_536;
    let tensors = HashMap::from([
        ("q", Made::floats(&[many, 1, 1, 1])),
        ("k", Made::floats(&[many, 1, 1, 1])),
        ("v", Made::floats(&[many, 1, 1, 1])),
    ]);
    std::fs::write(&input, harness::file(&tensors)).expect("written");
    succeeded(&relattn([
        "attend".as_ref(),
        input.as_os_str(),
        "-o".as_ref(),
        output.as_os_str(),
        "--bias=none".as_ref(),
    ]));
    let error = largest_error(&floats(&output, "ctx"), &floats(&input, "v"));
    assert!(error <= 1e-7, "{error:e}");
}
