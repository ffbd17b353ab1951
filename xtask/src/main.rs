//! Development tasks: `cargo xtask test` runs every test, and `cargo xtask conformance` writes `CONFORMANCE.md` from its records.

mod driver;

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let task = std::env::args().nth(1);
    match task.as_deref() {
        Some("test") => test(),
        Some("conformance") => cargo(&["run", "--package", "relattn-conformance"]),
        other => {
            eprintln!(
                "unknown task {:?}; allowed: test, conformance",
                other.unwrap_or("(none)")
            );
            ExitCode::from(2)
        }
    }
}

fn test() -> ExitCode {
    if let Err(advice) = driver::ensure() {
        eprintln!("{advice}");
        return ExitCode::FAILURE;
    }
    cargo(&["test", "--workspace"])
}

fn cargo(arguments: &[&str]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    match Command::new(cargo).args(arguments).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot start cargo: {error}");
            ExitCode::FAILURE
        }
    }
}
