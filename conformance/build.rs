//! Tells the commit that all is built from, for the records of `relattn conform`.

use std::process::Command;

/// What the kernels and their tests are made of.
const SOURCES: [&str; 5] = ["../src", "../shaders", "src", "../cli/src", "../Cargo.lock"];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rustc-env=RELATTN_COMMIT={}", commit());
}

/// The commit, marked where the sources differ from it.
fn commit() -> String {
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "no commit".into();
    };
    let status = [&["status", "--porcelain", "--"], &SOURCES[..]].concat();
    match git(&status) {
        Some(changes) if changes.is_empty() => commit,
        _ => commit + ", changed",
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
