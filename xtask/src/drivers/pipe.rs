//! A named pipe: whatever process opens it, and however its own output is treated, its lines are heard.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};

use super::programs::succeed;

/// The last line; nobody else writes it.
const END: &str = "\u{4}";

/// A pipe that is read.
#[derive(Debug)]
pub(super) struct Pipe {
    path: PathBuf,
    own: File,
    reader: JoinHandle<Vec<String>>,
}

impl Pipe {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let _ = fs::remove_file(path);
        succeed(Command::new("mkfifo").arg(path))?;
        // For reading and writing, or it would wait for somebody who writes, and end with the first of them.
        let own = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed)?;
        let lines = BufReader::new(own.try_clone().map_err(failed)?).split(b'\n');
        let lines = lines.map_while(Result::ok);
        let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
        let reader = thread::spawn(move || lines.take_while(|line| line != END).collect());
        Ok(Self {
            path: path.to_owned(),
            own,
            reader,
        })
    }

    /// The lines that were written.
    pub(super) fn close(mut self) -> Result<Vec<String>, String> {
        // A line of its own, also behind a writer that was killed within one, and at once, so that nobody's text comes between.
        let end = self.own.write_all(format!("\n{END}\n").as_bytes());
        end.map_err(|error| format!("{}: {error}", self.path.display()))?;
        let _ = fs::remove_file(&self.path);
        self.reader
            .join()
            .map_err(|_| "the validation layer's messages were not read".into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_ends_behind_a_line_that_was_cut_short() {
        let name = format!("relattn-pipe.{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let pipe = Pipe::open(&path).expect("a pipe");
        fs::write(&path, "whole\ncut sh").expect("a reader");
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(pipe.close()));
        let lines = receiver.recv_timeout(Duration::from_secs(20));
        let lines = lines.expect("an end").expect("lines");
        assert_eq!(lines, ["whole", "cut sh"]);
    }
}
