//! `relattn bench`: figures that agree with each other, and charts; nothing about how fast anything is.

mod harness;

use std::path::Path;

use harness::{Picture, refused, relattn, stdout, succeeded};
use serde_json::Value;

/// The adapters on which every kernel runs.
fn adapters() -> Vec<String> {
    let output = relattn(["devices", "--json"]);
    succeeded(&output);
    let list: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let found = list.as_array().expect("an array").iter();
    let found = found.filter(|found| found["runs"] == true);
    let name = |found: &Value| {
        let [backend, name] = ["backend", "name"].map(|key| found[key].as_str().expect("text"));
        format!("{backend}/{name}")
    };
    found.map(name).collect()
}

/// A run that is over soon.
fn tiny(arguments: &[&str]) -> Vec<String> {
    let tiny = ["bench", "--quick", "--query-len", "128", "--rounds", "1"];
    let all = tiny.iter().chain(arguments);
    all.map(|argument| (*argument).to_owned()).collect()
}

fn number(record: &Value, field: &str) -> f64 {
    let number = record[field].as_f64();
    let number = number.unwrap_or_else(|| panic!("{field} of {record} is no number"));
    assert!(number.is_finite() && number > 0.0, "{field} of {record}");
    number
}

/// What JSON prints of a number is exact, and a ratio of one round is that of the medians.
fn close(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-9, "{found}, {expected}");
}

#[test]
fn records_agree_with_themselves() {
    let Some(adapter) = adapters().into_iter().next() else {
        let output = relattn(tiny(&["--json"]));
        return refused(&output, &["bench needs an adapter"]);
    };
    let folder = tempfile::tempdir().expect("a folder");
    let svg = folder.path().join("a.SVG");
    let chart = svg.to_string_lossy();
    let output = relattn(tiny(&["--json", "--device", &adapter, "--chart", &chart]));
    succeeded(&output);
    let drawn = std::fs::read_to_string(&svg).expect("a file");
    assert!(drawn.contains("<svg") && drawn.contains("Share of the roofline"));
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let peaks = &report["peaks"];
    let arithmetic = number(peaks, "f32_gflops");
    let memory = number(peaks, "copy_gbps").max(number(peaks, "read_gbps"));
    let records = report["records"].as_array().expect("records");
    for record in records {
        for field in ["adapter", "driver", "date", "variant", "case", "dtype"] {
            let text = record[field].as_str().expect(field);
            assert!(!text.is_empty(), "{field} of {record}");
        }
        assert_eq!(record["adapter"], adapter);
        let ms = number(record, "ms");
        let [gflops, gbps] = ["gflops", "gbps"].map(|field| number(record, field));
        close(gflops, number(record, "flops") / ms * 1e-6);
        close(gbps, number(record, "bytes") / ms * 1e-6);
        let share = (gflops / arithmetic).max(gbps / memory);
        close(number(record, "peak_share"), share);
        for (time, ratio, inverse) in [
            ("unfused_ms", "speedup_vs_unfused", false),
            ("cpu_ms", "speedup_vs_cpu", false),
            ("no_bias_ms", "bias_overhead", true),
        ] {
            assert_eq!(record[time].is_null(), record[ratio].is_null(), "{record}");
            if !record[time].is_null() {
                let expected = number(record, time) / ms;
                let expected = if inverse { expected.recip() } else { expected };
                close(number(record, ratio), expected);
            }
        }
    }
    cases(records);
}

/// The cases that were asked for, with what they are compared with, and the operations that they count.
fn cases(records: &[Value]) {
    let one = |case: &str, pass: &str| {
        let found = records
            .iter()
            .filter(|record| record["case"] == case && record["pass"] == pass);
        let found: Vec<&Value> = found.collect();
        assert_eq!(found.len(), 1, "{case} {pass}");
        found[0]
    };
    for pass in ["forward", "backward"] {
        let t5 = one("t5", pass);
        for ratio in ["speedup_vs_unfused", "bias_overhead", "speedup_vs_cpu"] {
            number(t5, ratio);
        }
        assert_eq!(t5["query_len"], 128);
        assert!(one("no_bias", pass)["bias_overhead"].is_null());
    }
    // Two products of 8 heads, 128 queries, 128 keys and 64 features, and five; each of four tensors once, and twice.
    let forward = 2 * 2 * 8 * 128 * 128 * 64;
    let tensors = 4 * 8 * 128 * 64 * 4;
    for (pass, flops, bytes) in [
        ("forward", forward, tensors),
        ("backward", forward / 2 * 5, 2 * tensors),
    ] {
        assert_eq!(one("t5", pass)["flops"], flops);
        assert_eq!(one("t5", pass)["bytes"], bytes);
    }
}

#[test]
fn charts_and_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (png, json) = (place("a.png"), place("a.json"));
    let Some(adapter) = adapters().into_iter().next() else {
        return refused(
            &relattn(tiny(&["--chart", &png])),
            &["bench needs an adapter"],
        );
    };
    let forward = ["--pass", "forward", "--device", &adapter];
    let output = relattn(tiny(
        &[&forward[..], &["--chart", &png, "--json", &json]].concat(),
    ));
    succeeded(&output);
    assert!(Picture::decode(Path::new(&png)).colours() > 6);
    // Text on stdout, and the same figures in the file.
    let text = stdout(&output);
    let report = std::fs::read_to_string(&json).expect("a file");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    for field in ["adapter", "driver", "date"] {
        assert!(
            text.contains(report[field].as_str().expect("text")),
            "{field}"
        );
    }
    let records = report["records"].as_array().expect("records");
    assert!(records.iter().all(|record| record["pass"] == "forward"));
    for record in records {
        let case = record["case"].as_str().expect("text");
        assert!(text.contains(&format!("{case} ")), "{case}");
    }
    for (peak, words) in [
        ("f16_gflops", ", f16 not offered"),
        ("cooperative_gflops", "cooperative matrices not offered"),
    ] {
        assert_eq!(
            report["peaks"][peak].is_null(),
            text.contains(words),
            "{peak}"
        );
    }
}

#[test]
fn bad_arguments() {
    for (arguments, words) in [
        (&["--device", "abacus"][..], &["no device \"abacus\""][..]),
        (&["--device", "cpu"], &["--device cpu", "adapter"]),
        (&["--device", "oracle"], &["--device oracle", "adapter"]),
        (
            &["--query-len", "100"],
            &["--query-len is 100", "multiples of 64"],
        ),
        (&["--query-len", "512,0"], &["invalid value", "--query-len"]),
        (&["--rounds", "0"], &["invalid value", "--rounds"]),
        (&["--pass", "sideways"], &["invalid value", "--pass"]),
        (&["--chart", "a.gif"], &["a.gif", ".png or .svg"]),
        (
            &["--chart", "absent/a.png"],
            &["absent/a.png", "cannot be written"],
        ),
        (
            &["--json", "absent/a.json"],
            &["absent/a.json", "cannot be written"],
        ),
    ] {
        refused(&relattn(std::iter::once(&"bench").chain(arguments)), words);
    }
}
