//! `relattn attend` between bytes, on the CPU: what a file does to it, without a device and without files.

use std::path::Path;

use clap::Parser;

use crate::args::{AttendArgs, Cli, Command};
use crate::attend;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::job::Job;
use crate::output;

/// `relattn attend` with some options.
#[derive(Debug)]
pub struct Attend(Box<AttendArgs>);

/// Why the program would write nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its exit status: 2 for what the caller can put right, 1 for what the machine did.
    pub exit_code: u8,
    /// The line that it would print.
    pub line: String,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self {
            exit_code: fault.exit_code(),
            line: fault.line(),
        }
    }
}

impl Attend {
    /// Reads options as the command line has them; none for options that `relattn attend` does not have.
    #[must_use]
    pub fn with_options(options: &[&str]) -> Option<Self> {
        let program = ["relattn", "attend", "in", "--output=out", "--device=cpu"];
        let cli = Cli::try_parse_from(program.iter().chain(options)).ok()?;
        match cli.command {
            Some(Command::Attend(args)) => Some(Self(Box::new(args))),
            _ => None,
        }
    }

    /// The file that is written for a file of these bytes.
    ///
    /// # Errors
    /// All that is wrong with a file.
    pub fn on(&self, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        let job = Job::of_bytes(&self.0, bytes)?;
        let tensors = attend::compute(&job, &Engine::Cpu)?;
        Ok(output::safetensors(Path::new("out"), &tensors)?)
    }
}
