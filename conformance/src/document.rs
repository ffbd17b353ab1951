//! `CONFORMANCE.md`, from the records.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::record::{Record, Summary};

const HEAD: &str = "\
# Conformance

What `relattn conform` found on the machines that it was run on. Each case is a problem with generated data: a family of bias, masks, a
shape and layout, a type of numbers, forward or backward; and matrices of bucket indices. It passes if

- every element is within `2 · (|plain − exact| + ulp · |exact|)` of the f64 definition, *plain* being f32 without tiles, worst over the
  tensor, `|plain − exact|` at least what the rounding to f32 of scores, and of the log-sum-exp that a backward pass reads, makes of it;
  bucket indices are exact,
- outputs that were full of poison hold numbers, and the words around every output and the gaps between its rows are as before,
- a second run gives the same bits.

A case that a device cannot run is *unsupported*, with the reason, and never counts as passed. *Worst* is the largest error of all cases as
a share of what is allowed there. Each adapter is tried as a device without features and WebGPU's default limits, and as one with
what the kernels make use of.

";

const TAIL: &str = "\
## Your hardware

```sh
cargo run --release -p relattn-cli -- conform --html conformance.html     # all cases on every adapter, and a page to read
cargo run --release -p relattn-cli -- conform --json > conformance/record/NAME.json
cargo xtask conformance                                                   # writes this file from the records
```

`--quick` takes a sample, `--kernels` one case for each kernel, `--device NAME` or `--backend vulkan|metal|dx12|gl` keeps to one adapter or backend, and `--resume FILE` goes on
where a run was interrupted. A GPU's driver compiles on one thread: with `--jobs N` so many processes work at once, of which 15 took a tenth of the time on an NVIDIA H200. A failure names the case; `--case NAME` runs it alone. Please send the record, also one with failures.
";

/// The records of a folder with their names, in the order of those.
///
/// # Errors
/// A file that cannot be read or is no record.
pub fn records(folder: &Path) -> io::Result<Vec<(String, Record)>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> io::Result<(String, Record)> {
    let named =
        |error: &dyn std::error::Error| io::Error::other(format!("{}: {error}", path.display()));
    let text = fs::read(path).map_err(|error| named(&error))?;
    let record = serde_json::from_slice(&text).map_err(|error| named(&error))?;
    let name = path.file_stem().unwrap_or_default();
    Ok((name.to_string_lossy().into_owned(), record))
}

/// The document.
#[must_use]
pub fn document(records: &[(String, Record)]) -> String {
    let mut text = HEAD.to_owned();
    for (name, record) in records {
        section(&mut text, name, record);
    }
    text + TAIL
}

fn section(text: &mut String, name: &str, record: &Record) {
    let Record {
        version,
        commit,
        os,
        processor,
        extent,
        adapters,
    } = record;
    let _ = write!(
        text,
        "## {name}\n\nrelattn {version} at {commit}, {extent}; {os}, {processor}.\n\n\
         | adapter | driver | passed | failed | unsupported | worst | in |\n| --- | --- | ---: | ---: | ---: | ---: | --- |\n"
    );
    for adapter in adapters {
        let Summary {
            backend,
            name,
            driver,
            passed,
            failed,
            unsupported,
            ..
        } = adapter;
        let worst = adapter
            .worst_share()
            .map_or_else(String::new, |share| format!("{share:.2}"));
        let case = adapter.worst_case.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {} | {passed} | {failed} | {unsupported} | {worst} | {} |",
            cell(&format!("{backend}/{name}")),
            cell(driver),
            cell(case)
        );
    }
    text.push('\n');
    for adapter in adapters {
        remarks(text, adapter);
    }
}

/// Why cases are unsupported, and which failed.
fn remarks(text: &mut String, adapter: &Summary) {
    let mut lines = Vec::new();
    if let Some(reason) = &adapter.unusable {
        lines.push(format!("not usable: {reason}"));
    }
    let reasons = adapter.unsupported_reasons.iter();
    lines.extend(reasons.map(|(reason, count)| format!("{count} unsupported: {reason}")));
    let failures = adapter.failures.iter();
    lines.extend(failures.map(|(case, reason)| format!("failed: {case}: {reason}")));
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "{}/{}:\n", adapter.backend, adapter.name);
    for line in lines {
        let _ = writeln!(
            text,
            "- {}",
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        );
    }
    text.push('\n');
}

/// Text that a table can hold.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_the_records_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let records = records(&root.join("record")).expect("records");
        assert!(!records.is_empty());
        let file = fs::read_to_string(root.join("../CONFORMANCE.md")).expect("CONFORMANCE.md");
        let current = file.replace("\r\n", "\n") == document(&records);
        assert!(current, "`cargo xtask conformance` writes it anew");
    }

    #[test]
    fn a_failure_and_a_reason_are_told() {
        let adapter = Summary {
            failed: 1,
            failures: [("forward: some".into(), "out[3]\nis 1".into())].into(),
            unsupported_reasons: [("nine buffers".into(), 2)].into(),
            ..Summary::default()
        };
        let mut text = String::new();
        remarks(&mut text, &adapter);
        assert!(
            text.contains("failed: forward: some: out[3] is 1"),
            "{text}"
        );
        assert!(text.contains("2 unsupported: nine buffers"), "{text}");
    }
}
