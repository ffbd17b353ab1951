//! `cargo xtask drivers`: software drivers out of Debian's packages, and programs that run on exactly one of them.

mod accepted;
mod launch;
mod messages;
mod mirrors;
mod packages;
mod pipe;
mod places;
mod programs;
mod scripts;
mod stacks;
mod surroundings;
mod wine;

use std::process::ExitCode;

use places::Places;
use stacks::{Driver, STACKS, Stack};

const USAGE: &str = "allowed: [--list], --setup NAME, --run NAME -- COMMAND...";

pub(crate) fn task(arguments: &[String]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] | ["--list"] => list(),
        ["--setup", name] => stacks::named(name).and_then(set_up_named),
        ["--run", name, "--", program, ..] => {
            let run = |stack| run(stack, program, &arguments[4..]);
            stacks::named(name).and_then(run)
        }
        _ => Err(format!("drivers does not take {words:?}; {USAGE}")),
    };
    done.unwrap_or_else(|reason| {
        eprintln!("error: {reason}");
        ExitCode::from(2)
    })
}

fn list() -> Result<ExitCode, String> {
    let names = STACKS.iter().map(|stack| stack.name.len());
    let width = names.max().unwrap_or_default() + 2;
    for stack in &STACKS {
        let places = Places::of(stack)?;
        let state = if places.is_set_up(stack) {
            format!("set up: {}", places.versions()?)
        } else {
            match obstacle(stack) {
                Some(reason) => format!("not set up, and cannot be here: {reason}"),
                None => format!("not set up: `cargo xtask drivers --setup {}`", stack.name),
            }
        };
        println!("{:width$}{}\n{:width$}{state}", stack.name, stack.about, "");
    }
    Ok(ExitCode::SUCCESS)
}

fn set_up_named(stack: &Stack) -> Result<ExitCode, String> {
    let places = Places::of(stack)?;
    set_up(stack, &places)?;
    println!("{}: {}", stack.name, places.versions()?);
    Ok(ExitCode::SUCCESS)
}

fn set_up(stack: &Stack, places: &Places) -> Result<(), String> {
    let _turn = places.lock()?;
    if !places.is_set_up(stack) {
        if let Some(reason) = obstacle(stack) {
            return Err(format!("{} cannot be set up here: {reason}", stack.name));
        }
        eprintln!("{}: downloading {}", stack.name, stack.about);
        let unpacked = packages::unpack(stack, places);
        unpacked.map_err(|reason| format!("{} could not be set up: {reason}", stack.name))?;
    }
    surroundings::write_manifests(stack, places)?;
    if let Driver::Dx12 { .. } = stack.driver {
        let windows = wine::obstacle().map_or_else(|| wine::set_up(places), Err);
        windows.map_err(|reason| format!("{} could not be set up: {reason}", stack.name))?;
    }
    scripts::write_files(places)
}

/// Why a stack cannot be set up here.
fn obstacle(stack: &Stack) -> Option<String> {
    let windows = match stack.driver {
        Driver::Dx12 { .. } => wine::obstacle(),
        Driver::Vulkan { .. } | Driver::Gl => None,
    };
    packages::obstacle(stack).or(windows)
}

/// The program's own status; 1 where it succeeds and the validation layer has something to say.
fn run(stack: &Stack, program: &str, arguments: &[String]) -> Result<ExitCode, String> {
    let places = Places::of(stack)?;
    set_up(stack, &places)?;
    let run = launch::run(stack, &places, program, arguments)?;
    let clean = match stack.driver {
        Driver::Gl | Driver::Dx12 { .. } => true,
        Driver::Vulkan { .. } => run.messages.tell(stack.name),
    };
    Ok(match run.status.code() {
        Some(0) if clean => ExitCode::SUCCESS,
        Some(0) | None => ExitCode::FAILURE,
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
    })
}
