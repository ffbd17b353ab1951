//! Writes `CONFORMANCE.md` from the records; `cargo xtask conformance` runs it.

use std::path::Path;
use std::process::ExitCode;

use relattn_conformance::document::{document, records};

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let written = records(&root.join("record"))
        .and_then(|records| std::fs::write(root.join("../CONFORMANCE.md"), document(&records)));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
