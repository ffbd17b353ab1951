//! Tells the commit that all is built from, for the records of `relattn conform`.

use std::io::Write as _;
use std::process::{Command, Stdio};

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
        _ => format!("{commit}, changed{}", changes().unwrap_or_default()),
    }
}

/// A hash of how the sources differ, so that two changed builds of a commit are not taken for one.
fn changes() -> Option<String> {
    let of_sources = |arguments: &[&str]| git(&[arguments, &["--"], &SOURCES].concat());
    let changed = of_sources(&["diff", "HEAD"])?;
    let new = of_sources(&["ls-files", "--full-name", "--others", "--exclude-standard"])?;
    let new = git_of(&["hash-object", "--stdin-paths"], &new)?;
    let hash = git_of(&["hash-object", "--stdin"], &(changed + &new))?;
    Some(format!(" {}", hash.get(..12)?))
}

fn git(arguments: &[&str]) -> Option<String> {
    git_of(arguments, "")
}

/// What git says of a text.
fn git_of(arguments: &[&str], text: &str) -> Option<String> {
    let mut command = Command::new("git");
    command.args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().ok()?;
    child.stdin.take()?.write_all(text.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| said.trim().to_owned())
}
