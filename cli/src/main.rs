//! `relattn`: attention with T5's relative position bias, from the command line.
//!
//! Without arguments it runs a real model's layer and a long sequence; see `relattn --help` for the rest.

use std::process::ExitCode;

fn main() -> ExitCode {
    relattn_cli::main()
}
