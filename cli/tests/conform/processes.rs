//! The processes of cases, one after the other and several at once.

use serde_json::Value;
use tempfile::tempdir;

use crate::harness::{message, relattn, stderr, stdout, succeeded};
use crate::{CASE, count, json, reason, usable, verdicts};

#[test]
fn a_crash_is_a_failure_and_the_next_case_runs() {
    let output = relattn([&CASE[..], &["--json", "--abort-at", "0"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for adapter in usable(&json(&output)) {
        assert_eq!(verdicts(adapter), [1, 1], "{adapter}");
        let reason = reason(adapter, "forward: one of everything");
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
        assert_eq!(verdicts(adapter), [1, 1], "{adapter}");
    }
}

/// Twelve problems drawn for one choice, behind which are as many of another.
#[test]
fn a_kernel_that_ends_processes_costs_its_own_cases_alone() {
    let case = ["conform", "--quick", "--case", "D 8, Dv 12 #"];
    let listed = stdout(&relattn([&case[..], &["--list"]].concat()));
    let names: Vec<&str> = listed.lines().collect();
    let choice = names[0].strip_suffix('1').expect("the first draw");
    let drawn = names.iter().filter(|name| name.starts_with(choice)).count();
    assert!(drawn > 4 && drawn < names.len(), "{listed}");
    let aborts = ["--abort-at", "0", "--abort-at", "1", "--abort-at", "2"];
    for jobs in ["1", "2"] {
        let more = ["--json", "--jobs", jobs];
        let output = relattn([&case[..], &aborts, &more].concat());
        for adapter in usable(&json(&output)) {
            assert_eq!(count(adapter, "failed"), drawn as u64, "{adapter}");
            for (n, name) in names.iter().take(drawn).enumerate() {
                let begin = ["not run", "the process ended"][usize::from(n < 3)];
                let reason = reason(adapter, name);
                assert!(reason.starts_with(begin), "{name}: {reason}");
            }
        }
    }
}

#[test]
fn another_process_goes_on_where_one_has_done_its_cases() {
    let output = relattn([&CASE[..], &["--json", "--work-cases", "1"]].concat());
    succeeded(&output);
    for adapter in usable(&json(&output)) {
        assert_eq!(verdicts(adapter), [2, 0], "{adapter}");
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

/// Runs the small case as a process on the first device of a backend does, where that has this name.
fn on_the_first(backend: &str, name: &str) -> std::process::Output {
    let device = ["--backend", backend, "--work-on", "0", "--work-name", name];
    relattn([&CASE[..], &device].concat())
}

#[test]
fn a_process_runs_on_the_device_of_its_name_and_begins_each_line() {
    let listed = relattn(["devices", "--json"]);
    let listed: Value = serde_json::from_str(&stdout(&listed)).expect("JSON");
    let listed = listed.as_array().expect("an array").iter();
    for found in listed.filter(|found| found["runs"] == true) {
        let backend = found["backend"].as_str().expect("a backend");
        let refused = on_the_first(backend, "another");
        assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
        assert!(refused.stdout.is_empty(), "{}", stdout(&refused));
        let message = message(&refused);
        let name = message.strip_prefix("error: device 0 is ");
        let name = name.and_then(|rest| rest.strip_suffix("; another is needed"));
        let name = name.unwrap_or_else(|| panic!("{message}"));
        let output = on_the_first(backend, name);
        succeeded(&output);
        let text = stdout(&output);
        let told = text.split("\n\n").map(str::trim_start);
        let told = told.filter(|line| line.starts_with(['{', '"']));
        assert_eq!(told.count(), 5, "{text}");
    }
}
