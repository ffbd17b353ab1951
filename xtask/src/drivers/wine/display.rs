//! A display that nobody sees, without which Wine has no graphics.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A server of X, which ends with this.
#[derive(Debug)]
pub(in crate::drivers) struct Display {
    server: Child,
    name: String,
}

impl Display {
    pub(in crate::drivers) fn open() -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("Xvfb: {error}");
        // It chooses a number that is free, and tells it.
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "640x480x24"])
            .args(["-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut number = String::new();
        if let Some(stdout) = server.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut number)
                .map_err(failed)?;
        }
        let name = format!(":{}", number.trim());
        let display = Self { server, name };
        if number.trim().is_empty() {
            return Err("Xvfb opened no display".into());
        }
        Ok(display)
    }

    pub(in crate::drivers) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
