//! `relattn conform`.

mod harness;

use std::path::Path;

use harness::{message, refused, relattn, stderr, stdout, succeeded};
use serde_json::Value;
use tempfile::tempdir;

/// A small case, forward and backward.
const CASE: [&str; 4] = ["conform", "--quick", "--case", "one of everything"];

fn json(output: &std::process::Output) -> Value {
    serde_json::from_str(&stdout(output))
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(output)))
}

fn count(adapter: &Value, key: &str) -> u64 {
    adapter[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} in {adapter}"))
}

/// The devices that have run something.
fn usable(report: &Value) -> Vec<&Value> {
    let adapters = report["adapters"].as_array().expect("adapters").iter();
    let usable: Vec<&Value> = adapters
        .filter(|adapter| adapter["unusable"].is_null())
        .collect();
    assert!(!usable.is_empty(), "{report}");
    usable
}

#[test]
fn a_case_passes_on_every_adapter() {
    let output = relattn([&CASE[..], &["--json"]].concat());
    succeeded(&output);
    for adapter in usable(&json(&output)) {
        assert_eq!(
            ["passed", "failed", "unsupported"].map(|key| count(adapter, key)),
            [2, 0, 0]
        );
        let [error, allowed] =
            ["worst_error", "worst_allowed"].map(|key| adapter[key].as_f64().expect("a number"));
        assert!(error <= allowed, "{adapter}");
        for key in ["name", "backend", "driver", "worst_case"] {
            assert!(
                adapter[key].as_str().is_some_and(|text| !text.is_empty()),
                "{key} in {adapter}"
            );
        }
    }
}

#[test]
fn each_kernel_has_a_case() {
    let names = |extent: &[&str]| {
        let output = relattn([&["conform", "--list"], extent].concat());
        succeeded(&output);
        let names = stdout(&output);
        names.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (all, kernels) = (names(&[]), names(&["--kernels"]));
    assert!(kernels.len() < all.len() / 5, "{}", kernels.len());
    // One problem of each choice of slots, and the catalogue.
    let once = |name: &&String| name.ends_with("#1") || !name.contains('#');
    let of_passes = |names: &[String]| -> Vec<String> {
        let named = names.iter().filter(|name| !name.starts_with("buckets"));
        named.filter(once).cloned().collect()
    };
    assert_eq!(of_passes(&kernels), of_passes(&all));
    refused(&relattn(["conform", "--kernels", "--quick"]), &["--quick"]);
}

#[test]
fn a_planted_error_fails_on_every_adapter() {
    let folder = tempdir().expect("a folder");
    let page = folder.path().join("page.html");
    let case = [
        "conform",
        "--quick",
        "--case",
        "forward: decoder past saturation",
        "--json",
    ];
    let planted = [
        "--plant",
        "causal by one",
        "--html",
        page.to_str().expect("text"),
    ];
    let output = relattn([&case[..], &planted].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(message(&output).contains("cases failed"));
    for adapter in usable(&json(&output)) {
        assert_eq!(
            ["passed", "failed"].map(|key| count(adapter, key)),
            [0, 1],
            "{adapter}"
        );
    }
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("<rect"), "no map of the errors");
    assert!(!page.contains("http"), "it needs nothing else");
}

#[test]
fn a_crash_is_a_failure_and_the_next_case_runs() {
    let output = relattn([&CASE[..], &["--json", "--abort-at", "0"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for adapter in usable(&json(&output)) {
        assert_eq!(
            ["passed", "failed"].map(|key| count(adapter, key)),
            [1, 1],
            "{adapter}"
        );
        let failures = adapter["failures"].as_object().expect("failures");
        let reason = failures["forward: one of everything"]
            .as_str()
            .expect("text");
        assert!(reason.starts_with("the process ended"), "{reason}");
    }
}

#[test]
fn processes_at_once_find_what_one_finds_in_the_same_order() {
    let folder = tempdir().expect("a folder");
    let outcomes = |jobs: &str| {
        let file = folder.path().join(jobs);
        let case = ["conform", "--quick", "--case", "bucket", "--json"];
        let more = ["--jobs", jobs, "--resume", file.to_str().expect("text")];
        let more = [&more[..], &["--work-cases", "4"]].concat();
        let output = relattn([&case[..], &more].concat());
        succeeded(&output);
        let kept = std::fs::read_to_string(&file).expect("a file");
        let names = kept.lines().skip(1).map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            (
                line["device"].to_string(),
                line["outcome"]["case"].to_string(),
            )
        });
        (
            json(&output)["adapters"].as_array().map(Vec::len),
            names.collect::<Vec<_>>(),
        )
    };
    let one = outcomes("1");
    assert!(one.1.len() > 10, "{one:?}");
    assert_eq!(outcomes("3"), one);
}

#[test]
fn a_crash_among_processes_at_once_is_a_failure() {
    let output = relattn([&CASE[..], &["--json", "--jobs", "2", "--abort-at", "0"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for adapter in usable(&json(&output)) {
        let found = ["passed", "failed"].map(|key| count(adapter, key));
        assert_eq!(found, [1, 1], "{adapter}");
    }
}

#[test]
fn another_process_goes_on_where_one_has_done_its_cases() {
    let output = relattn([&CASE[..], &["--json", "--work-cases", "1"]].concat());
    succeeded(&output);
    for adapter in usable(&json(&output)) {
        assert_eq!(
            ["passed", "failed"].map(|key| count(adapter, key)),
            [2, 0],
            "{adapter}"
        );
    }
}

#[test]
fn a_process_that_does_no_case_is_a_failure() {
    let output = relattn([&CASE[..], &["--json", "--work-cases", "0"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for adapter in json(&output)["adapters"].as_array().expect("adapters") {
        assert_eq!(count(adapter, "passed"), 0, "{adapter}");
    }
}

#[test]
fn an_interrupted_run_goes_on() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("run.jsonl");
    let resumed = |more: &[&str]| {
        let resume = ["--json", "--resume", file.to_str().expect("text")];
        relattn([&CASE[..], &resume, more].concat())
    };
    succeeded(&resumed(&[]));
    let whole = std::fs::read_to_string(&file).expect("a file");
    // All but the last case, of which half is written.
    let lines: Vec<&str> = whole.lines().collect();
    let (last, before) = lines.split_last().expect("lines");
    let half = format!("{}\n{}", before.join("\n"), &last[..last.len() / 2]);
    std::fs::write(&file, half).expect("written");
    // Only what is missing runs again, so that only there a process can end early.
    let output = resumed(&["--abort-at", "0"]);
    succeeded(&output);
    for adapter in usable(&json(&output)) {
        assert_eq!(count(adapter, "passed"), 2, "{adapter}");
    }
    assert_eq!(lines_of(&file), lines.len());
}

fn lines_of(file: &Path) -> usize {
    std::fs::read_to_string(file)
        .expect("a file")
        .lines()
        .count()
}

#[test]
fn the_file_of_another_run_is_refused() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("run.jsonl");
    std::fs::write(&file, "{\"run\":\"another\"}\n").expect("written");
    let output = relattn([&CASE[..], &["--resume", file.to_str().expect("text")]].concat());
    refused(&output, &["of another run", "another", "one of everything"]);
    assert_eq!(lines_of(&file), 1);
}

#[test]
fn what_is_not_there_is_named() {
    let output = relattn(["conform", "--case", "no such case"]);
    refused(&output, &["no such case", "--list"]);
    let output = relattn(["conform", "--device", "no such device", "--quick"]);
    refused(&output, &["no such device"]);
}

#[test]
fn a_soak_checks_problems() {
    let output = relattn(["conform", "--soak", "0.02", "--json"]);
    succeeded(&output);
    let report = json(&output);
    assert!(count(&report, "problems") > 10, "{report}");
    assert_eq!(count(&report, "failed"), 0);
    let [before, after] = [0, 1].map(|n| report["buffers"][n].as_i64().expect("a number"));
    assert!(before > 0 && after <= before, "{report}");
}
