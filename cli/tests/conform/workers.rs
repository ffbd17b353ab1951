//! Processes that do not do as the program's own: scripts around it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::harness::{message, relattn, stderr, stdout, succeeded};
use crate::{CASE, json, reason, usable, verdicts};

const FORWARD: &str = "forward: one of everything";
const BACKWARD: &str = "backward: one of everything";

/// A folder with a script that the cases run in; `relattn` in it is the program.
struct Script {
    folder: TempDir,
    path: PathBuf,
}

impl Script {
    fn new(text: &str) -> Self {
        let folder = tempdir().expect("a folder");
        let path = folder.path().join("worker");
        let program = env!("CARGO_BIN_EXE_relattn");
        let text = format!("#!/bin/sh\nrelattn() {{ '{program}' \"$@\"; }}\n{text}\n");
        std::fs::write(&path, text).expect("written");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, executable).expect("a file");
        Self { folder, path }
    }

    fn conform(&self, more: &[&str]) -> Output {
        conform(&self.path, more)
    }

    /// The same with a failure of a case at least.
    fn failing(&self, more: &[&str]) -> Value {
        let output = self.conform(more);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        json(&output)
    }
}

fn conform(worker: &Path, more: &[&str]) -> Output {
    let worker = worker.to_str().expect("text");
    relattn([&CASE[..], &["--json", "--worker", worker], more].concat())
}

#[test]
fn what_a_driver_prints_spoils_nothing() {
    let script = Script::new("printf '\\377\\nhalf a line'; relattn \"$@\"");
    let output = script.conform(&[]);
    succeeded(&output);
    for adapter in usable(&json(&output)) {
        assert_eq!(verdicts(adapter), [2, 0], "{adapter}");
    }
}

#[test]
fn a_line_that_is_lost_shifts_no_case() {
    let script = Script::new(&format!("relattn \"$@\" | grep -v '\"{FORWARD}\"'"));
    for adapter in usable(&script.failing(&[])) {
        assert_eq!(verdicts(adapter), [1, 1], "{adapter}");
        let told = format!("told of {BACKWARD:?} where {FORWARD:?} was due");
        let reason = reason(adapter, FORWARD);
        assert!(reason.contains(&told), "{reason}");
    }
    let script = Script::new(&format!("relattn \"$@\" | grep -v '\"{BACKWARD}\"'"));
    for adapter in usable(&script.failing(&[])) {
        assert_eq!(verdicts(adapter), [1, 1], "{adapter}");
        assert!(reason(adapter, BACKWARD).starts_with("the process ended: "));
    }
}

#[test]
fn an_end_after_its_cases_fails_the_last_of_them_however_many_processes() {
    let script = Script::new("relattn \"$@\"; echo teardown >&2; exit 9");
    let file = script.folder.path().join("run.jsonl");
    let resume = ["--resume", file.to_str().expect("text")];
    let found = |more: &[&str]| {
        let report = script.failing(more);
        for adapter in usable(&report) {
            let reason = reason(adapter, BACKWARD);
            assert!(
                reason.starts_with("the process ended after its cases: "),
                "{reason}"
            );
            assert!(
                reason.contains('9') && reason.ends_with("teardown"),
                "{reason}"
            );
        }
        let adapters = usable(&report).into_iter();
        adapters
            .map(|adapter| (verdicts(adapter), adapter["failures"].clone()))
            .collect::<Vec<_>>()
    };
    let one = found(&resume);
    assert!(
        one.iter().all(|(verdicts, _)| *verdicts == [1, 1]),
        "{one:?}"
    );
    assert_eq!(found(&["--jobs", "2"]), one);
    // As it was kept.
    assert_eq!(found(&resume), one);
    let each = found(&["--work-cases", "1"]);
    assert!(
        each.iter().all(|(verdicts, _)| *verdicts == [0, 2]),
        "{each:?}"
    );
    assert_eq!(found(&["--work-cases", "1", "--jobs", "2"]), each);
}

#[test]
fn a_device_that_goes_is_a_failure_and_no_end_of_the_run() {
    let script = Script::new(
        "if [ -e \"$0.ran\" ]; then echo gone >&2; exit 3; fi\n: > \"$0.ran\"; relattn \"$@\"",
    );
    let report = script.failing(&["--work-cases", "1"]);
    let found: Vec<_> = usable(&report).into_iter().map(verdicts).collect();
    assert_eq!(found[0], [1, 1], "{report}");
    assert!(found[1..].iter().all(|found| *found == [0, 2]), "{report}");
    let reason = reason(usable(&report)[0], BACKWARD);
    assert!(
        reason.starts_with("the process ended before its device was there: "),
        "{reason}"
    );
    assert!(reason.ends_with("gone"), "{reason}");
}

#[test]
fn a_program_that_runs_no_case_ends_the_run() {
    let script = Script::new("echo no worker >&2; exit 3");
    let none = script.folder.path().join("none");
    for (worker, words) in [(&script.path, "no worker"), (&none, "cannot be started")] {
        for jobs in ["1", "2"] {
            let output = conform(worker, &["--jobs", jobs]);
            assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
            assert!(output.stdout.is_empty(), "{}", stdout(&output));
            let message = message(&output);
            assert!(
                message.contains("no case was run on") && message.contains(words),
                "{message}"
            );
        }
    }
}

#[test]
fn results_are_printed_where_the_page_can_no_longer_be_written() {
    let pages = tempdir().expect("a folder");
    let folder = pages.path().join("pages");
    std::fs::create_dir(&folder).expect("a folder");
    let script = Script::new(&format!("rm -rf '{}'; relattn \"$@\"", folder.display()));
    let output = script.conform(&["--html", folder.join("page.html").to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(message(&output).contains("cannot be written"));
    assert!(!usable(&json(&output)).is_empty());
}
