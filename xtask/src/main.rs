//! Development tasks: `cargo xtask test` runs every test, `cargo xtask conformance` writes `CONFORMANCE.md` from its records, and
//! `cargo xtask shader-stats` compiles every kernel for GPUs that need not be there, and `cargo xtask drivers` runs a program on one of
//! several software drivers, under Vulkan's validation layer.

mod driver;
mod drivers;

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let task = std::env::args().nth(1);
    match task.as_deref() {
        Some("test") => test(),
        Some("conformance") => cargo(["run", "--package", "relattn-conformance"].map(String::from)),
        Some("shader-stats") => shader_stats(),
        Some("drivers") => drivers::task(&std::env::args().skip(2).collect::<Vec<_>>()),
        other => {
            eprintln!(
                "unknown task {:?}; allowed: test, conformance, shader-stats, drivers",
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
    cargo(["test", "--workspace"].map(String::from))
}

/// A program of its own, because it links the kernels, and tests should not wait for its dependencies.
fn shader_stats() -> ExitCode {
    let program = ["run", "--quiet", "--package", "shader-stats", "--"].map(String::from);
    cargo(program.into_iter().chain(std::env::args().skip(2)))
}

fn cargo(arguments: impl IntoIterator<Item = String>) -> ExitCode {
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
