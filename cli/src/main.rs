//! `relattn`: attention with relative position bias on this machine's adapter.
//!
//! Without arguments it runs a real model's layer and a long sequence; see `relattn --help` for the rest.

use std::process::ExitCode;

fn main() -> ExitCode {
    relattn_cli::main()
}
