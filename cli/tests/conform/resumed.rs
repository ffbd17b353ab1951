//! The file of `--resume`.

use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use crate::harness::{refused, relattn, succeeded};
use crate::{CASE, count, json, usable};

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
fn outcomes_of_another_driver_other_cases_or_other_checks_are_refused() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("run.jsonl");
    let arguments = [
        &CASE[..],
        &["--resume", file.to_str().expect("text"), "--json"],
    ]
    .concat();
    let output = relattn(&arguments);
    succeeded(&output);
    let report = json(&output);
    let driver = usable(&report)[0]["driver"].as_str().expect("a driver");
    let whole = std::fs::read_to_string(&file).expect("a file");
    let resumed = |text: &str, words: &[&str]| {
        std::fs::write(&file, text).expect("written");
        refused(&relattn(&arguments), &[&["of another run"], words].concat());
    };
    let other = whole.replace(driver, "another driver");
    resumed(&other, &["\"another driver\"", &format!("{driver:?}")]);
    let lost = whole.lines().enumerate().filter(|(n, _)| *n != 1);
    let lost: String = lost.map(|(_, line)| format!("{line}\n")).collect();
    resumed(
        &lost,
        &[
            "backward: one of everything",
            "\"forward: one of everything\"",
        ],
    );
    std::fs::write(&file, &whole).expect("written");
    let mut checked = Command::new(env!("CARGO_BIN_EXE_relattn"));
    let checked = checked.env("RELATTN_CHECKS", "all").args(&arguments);
    refused(
        &checked.output().expect("the program starts"),
        &["with all checks"],
    );
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), whole);
}
