//! `relattn conform`.

#[path = "../harness/mod.rs"]
mod harness;

mod processes;
mod resumed;
#[cfg(unix)]
mod workers;

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

/// Cases that passed, and that failed.
fn verdicts(adapter: &Value) -> [u64; 2] {
    ["passed", "failed"].map(|key| count(adapter, key))
}

/// Why a case has failed.
fn reason<'a>(adapter: &'a Value, case: &str) -> &'a str {
    let reason = adapter["failures"][case].as_str();
    reason.unwrap_or_else(|| panic!("{case} in {adapter}"))
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
        assert_eq!(verdicts(adapter), [0, 1], "{adapter}");
    }
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("<rect"), "no map of the errors");
    assert!(!page.contains("http"), "it needs nothing else");
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
    assert_eq!(
        ["failed", "unsupported"].map(|key| count(&report, key)),
        [0, 0]
    );
    let [before, after] = [0, 1].map(|n| report["buffers"][n].as_i64().expect("a number"));
    assert!(before > 0 && after <= before, "{report}");
}

#[test]
fn what_a_soak_has_no_use_for_is_refused() {
    let planted = ["conform", "--soak", "0.02", "--plant", "causal by one"];
    refused(&relattn(planted), &["--plant"]);
    let seed = relattn(["conform", "--device", "none", "--seed", "1"]);
    refused(&seed, &["required"]);
    assert!(stderr(&seed).contains("--soak"));
    let seed = relattn(["conform", "--quick", "--list", "--seed", "1"]);
    refused(&seed, &["--seed"]);
}

#[test]
fn a_page_that_cannot_be_written_is_refused_before_anything_runs() {
    let folder = tempdir().expect("a folder");
    let page = folder.path().join("none").join("page.html");
    let output = relattn([&CASE[..], &["--html", page.to_str().expect("text")]].concat());
    refused(&output, &["page.html", "cannot be written"]);
}
