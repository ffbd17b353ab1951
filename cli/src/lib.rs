//! The program `relattn` as a library: for the program itself, and for those who feed it hostile files without starting a process for each.

mod adapters;
mod allowed;
mod args;
mod attend;
mod bench;
mod conform;
mod demo;
mod devices;
mod engine;
mod family;
mod fault;
mod figures;
mod fire;
mod gpu;
mod gradients;
mod hostless;
mod inspect;
mod integers;
mod job;
mod masks;
mod names;
mod output;
mod planes;
mod progress;
mod resident;
mod rope;
mod tensors;
mod wanted;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use fault::Fault;

pub use hostless::{Attend, Refusal};

/// Does what the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {}", fault.line());
            ExitCode::from(fault.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Fault> {
    match cli.command.unwrap_or_default() {
        Command::Demo(args) => demo::run(&args),
        Command::Attend(args) => attend::run(&args),
        Command::Conform(args) => conform::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Inspect(args) => inspect::run(&args),
    }
}
