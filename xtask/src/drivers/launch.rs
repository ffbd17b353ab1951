//! Starts a program on a stack.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use super::messages::Messages;
use super::pipe::Pipe;
use super::places::{Places, name_of, write};
use super::programs::find;
use super::scripts::THROUGH_LOADER;
use super::stacks::{Driver, Stack};
use super::surroundings;
use super::wine::{self, Display};

/// How the program ended, and what the validation layer said meanwhile.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) messages: Messages,
}

pub(crate) fn run(
    stack: &Stack,
    places: &Places,
    program: &str,
    arguments: &[String],
) -> Result<Run, String> {
    let program = find(program)?;
    let display = match stack.driver {
        Driver::Dx12 { .. } => Some(Display::open()?),
        Driver::Vulkan { .. } | Driver::Gl => None,
    };
    let mut command = match &display {
        Some(display) => under_wine(places, &program, display)?,
        None => command(places, &program)?,
    };
    command.args(arguments);
    let own = |name: &str| places.file(&format!("{name}.{}", std::process::id()));
    let (pipe, settings) = (own("messages"), own("settings"));
    write(&settings, &surroundings::settings(&pipe))?;
    command.envs(surroundings::variables(stack, places, &settings));
    let pipe = Pipe::open(&pipe)?;
    let status = started(&mut command);
    if display.is_some() {
        wine::finish(places);
    }
    let messages = Messages::of(&pipe.close()?);
    let _ = std::fs::remove_file(settings);
    let status = status.map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(Run { status, messages })
}

/// Runs a program, whose stdout loses what the layer writes there: where its messages go.
fn started(command: &mut Command) -> std::io::Result<ExitStatus> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if !line.starts_with(b"Validation Layer Info - Logging validation error to ") {
                std::io::stdout().write_all(&line)?;
            }
            line.clear();
        }
    }
    child.wait()
}

/// Where the stack has a loader, it runs the program; or those that cargo builds, where the program is cargo.
fn command(places: &Places, program: &Path) -> Result<Command, String> {
    let mut command = Command::new(program);
    let through = places.file(THROUGH_LOADER);
    if places.loader().is_none() {
        let libraries = std::env::join_paths(places.libraries());
        command.env(
            "LD_LIBRARY_PATH",
            libraries.map_err(|error| error.to_string())?,
        );
    } else if name_of(program) == "cargo" {
        let architecture = std::env::consts::ARCH.to_uppercase();
        let runner = format!("CARGO_TARGET_{architecture}_UNKNOWN_LINUX_GNU_RUNNER");
        command.env(runner, through);
    } else {
        begins_with(
            program,
            b"\x7fELF",
            "a script, and this stack's loader runs programs; name the program, or cargo",
        )?;
        command = Command::new(through);
        command.arg(program);
    }
    Ok(command)
}

/// Wine runs the program; or those that cargo builds for Windows, where the program is cargo.
fn under_wine(places: &Places, program: &Path, display: &Display) -> Result<Command, String> {
    if places.loader().is_some() {
        return Err("Wine is the machine's, whose C library is older than the driver's".into());
    }
    let mut started = Command::new("wine");
    if name_of(program) == "cargo" {
        started = Command::new(program);
        started.env("CARGO_BUILD_TARGET", wine::TARGET);
        started.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine");
    } else {
        begins_with(
            program,
            b"MZ",
            "no program for Windows, which Wine would run",
        )?;
        started.arg(program);
    }
    let libraries = std::env::join_paths(places.libraries());
    let libraries = libraries.map_err(|error| error.to_string())?;
    started.env("LD_LIBRARY_PATH", libraries);
    started.envs(wine::variables(places, display));
    Ok(started)
}

/// Refuses a file that begins with something else.
fn begins_with(program: &Path, magic: &[u8], otherwise: &str) -> Result<(), String> {
    let mut found = vec![0; magic.len()];
    let read = std::fs::File::open(program).and_then(|mut file| file.read_exact(&mut found));
    match read {
        Ok(()) if found == magic => Ok(()),
        Ok(()) => Err(format!("{} is {otherwise}", program.display())),
        Err(error) => Err(format!("{}: {error}", program.display())),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_another_system_is_refused() {
        let own = std::env::current_exe().expect("this program");
        assert_eq!(begins_with(&own, b"\x7fELF", "not of Linux"), Ok(()));
        let refused = begins_with(&own, b"MZ", "not of Windows");
        assert!(refused.is_err_and(|reason| reason.ends_with("is not of Windows")));
    }
}
