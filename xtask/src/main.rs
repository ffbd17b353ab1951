//! Development tasks: `cargo xtask test` runs every test, or `cargo test` with its arguments, `cargo xtask conformance` writes `CONFORMANCE.md`
//! from its records, `cargo xtask shader-stats` compiles every kernel for GPUs that need not be there, and `cargo xtask drivers` runs a
//! program on one of several software drivers, under Vulkan's validation layer.

mod driver;
mod drivers;

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let task = std::env::args().nth(1);
    let rest: Vec<String> = std::env::args().skip(2).collect();
    match (task.as_deref(), &rest[..]) {
        (Some("test"), rest) => test(rest),
        (Some("conformance"), []) => cargo(&["run", "--package", "relattn-conformance"], &[]),
        (Some("conformance"), rest) => refused(&format!("conformance does not take {rest:?}")),
        // A program of its own, because it links the kernels, and tests should not wait for its dependencies.
        (Some("shader-stats"), rest) => {
            cargo(&["run", "--quiet", "--package", "shader-stats", "--"], rest)
        }
        (Some("drivers"), rest) => drivers::task(rest),
        (other, _) => refused(&format!(
            "unknown task {:?}; allowed: test, conformance, shader-stats, drivers",
            other.unwrap_or("(none)")
        )),
    }
}

fn refused(reason: &str) -> ExitCode {
    eprintln!("{reason}");
    ExitCode::from(2)
}

fn test(rest: &[String]) -> ExitCode {
    if let Err(advice) = driver::ensure() {
        eprintln!("{advice}");
        return ExitCode::FAILURE;
    }
    match rest {
        [] => cargo(&["test", "--workspace"], &[]),
        rest => cargo(&["test"], rest),
    }
}

fn cargo(arguments: &[&str], rest: &[String]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    match Command::new(cargo).args(arguments).args(rest).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot start cargo: {error}");
            ExitCode::FAILURE
        }
    }
}
