//! Programs of the machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The file of a program, by its path or along `PATH`.
pub(super) fn find(program: &str) -> Result<PathBuf, String> {
    if program.contains('/') {
        let path = Path::new(program);
        return path
            .canonicalize()
            .map_err(|error| format!("{program}: {error}"));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let files = std::env::split_paths(&path).map(|folder| folder.join(program));
    let mut files = files.filter(|file| file.is_file());
    files
        .next()
        .ok_or_else(|| format!("there is no program {program}"))
}

/// What a program prints.
pub(super) fn output(command: &mut Command) -> Result<String, String> {
    let output = run(command)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a program that says nothing unless it fails.
pub(super) fn succeed(command: &mut Command) -> Result<(), String> {
    run(command).map(|_| ())
}

fn run(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}: {}", output.status, said.trim()))
}
