//! How a program runs with a loader that is not its own.

use std::path::Path;
use std::process::Command;

use super::places::{Places, write_finished};
use super::programs::succeed;

/// Runs a program with the stack's loader and libraries.
pub(super) const THROUGH_LOADER: &str = "through-loader";
const WORKER: &str = "worker";

/// Writes the scripts where the stack has a loader.
///
/// A program that is started so cannot start itself by its name, which is the loader's: `relattn conform` starts the second script
/// instead, which knows the program.
pub(super) fn write_files(places: &Places) -> Result<(), String> {
    let Some(loader) = places.loader() else {
        return Ok(());
    };
    let libraries = std::env::join_paths(places.libraries()).map_err(|error| error.to_string())?;
    let (loader, libraries) = (loader.display(), libraries.display());
    let (through, worker) = (places.file(THROUGH_LOADER), places.file(WORKER));
    script(
        &through,
        &format!(
            "export RELATTN_PROGRAM=\"$1\" RELATTN_WORKER='{}'\nexec '{loader}' --library-path '{libraries}' \"$@\"\n",
            worker.display()
        ),
    )?;
    script(
        &worker,
        &format!("exec '{}' \"$RELATTN_PROGRAM\" \"$@\"\n", through.display()),
    )
}

fn script(path: &Path, text: &str) -> Result<(), String> {
    write_finished(path, &format!("#!/bin/sh\n{text}"), |path| {
        succeed(Command::new("chmod").arg("+x").arg(path))
    })
}
