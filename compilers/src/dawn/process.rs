//! The process of Node.js, and how to talk with it: see `dawn/dawn.mjs`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// How often to look whether the process has called.
const LOOK: Duration = Duration::from_millis(5);

/// A process of Node.js with Dawn; it ends when this is dropped.
#[derive(Debug)]
pub struct Process {
    line: Mutex<Line>,
    next: AtomicU64,
}

/// The two ends of a conversation.
#[derive(Debug)]
struct Line {
    child: Child,
    socket: BufReader<TcpStream>,
}

impl Process {
    /// Starts it, with options of Dawn.
    ///
    /// # Errors
    /// A machine without Node.js or without the package, in words.
    pub fn start(options: &[&str]) -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dawn");
        if !folder.join("node_modules/webgpu").is_dir() {
            return Err("no Dawn: run `npm install` in compilers/dawn".into());
        }
        let line = Line::open(&folder.join("dawn.mjs"), options);
        Ok(Self {
            line: Mutex::new(line.map_err(|error| format!("no Node.js: {error}"))?),
            next: AtomicU64::new(1),
        })
    }

    /// A number for another object.
    pub(super) fn id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks for something, and waits for the answer.
    ///
    /// # Errors
    /// What Dawn refuses, or the end of the process.
    pub fn ask(&self, request: &Value) -> Result<Value, String> {
        self.ask_with(request, &[]).map(|(answer, _)| answer)
    }

    /// Has Tint compile a text.
    ///
    /// # Errors
    /// What Tint says of a text that it refuses.
    pub fn accept(&self, wgsl: &str) -> Result<(), String> {
        let id = self.id();
        self.ask(&json!({ "op": "module", "id": id, "code": wgsl }))?;
        self.ask(&json!({ "op": "drop", "id": id }))?;
        Ok(())
    }

    /// As [`Self::ask`], with bytes both ways.
    pub(super) fn ask_with(
        &self,
        request: &Value,
        bytes: &[u8],
    ) -> Result<(Value, Vec<u8>), String> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let exchanged = line.exchange(request, bytes);
        let (answer, bytes) = exchanged.map_err(|error| format!("Dawn's process: {error}"))?;
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok((answer, bytes)),
        }
    }

    /// As [`Self::ask`] where wgpu has no way to pass an error on.
    ///
    /// # Panics
    /// Where Dawn refuses, as wgpu does without a handler of errors.
    pub(super) fn tell(&self, request: &Value) {
        if let Err(error) = self.ask(request) {
            panic!("Dawn: {error}");
        }
    }
}

impl Line {
    fn open(script: &Path, options: &[&str]) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let node = std::env::var_os("RELATTN_NODE").unwrap_or_else(|| "node".into());
        let mut child = Command::new(node)
            .arg(script)
            .arg(listener.local_addr()?.port().to_string())
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let socket = loop {
            match listener.accept() {
                Ok((socket, _)) => break socket,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => {}
            }
            if let Some(status) = child.try_wait()? {
                return Err(std::io::Error::other(format!("it ended with {status}")));
            }
            std::thread::sleep(LOOK);
        };
        socket.set_nonblocking(false)?;
        socket.set_nodelay(true)?;
        let socket = BufReader::new(socket);
        Ok(Self { child, socket })
    }

    fn exchange(&mut self, request: &Value, bytes: &[u8]) -> std::io::Result<(Value, Vec<u8>)> {
        let mut request = request.clone();
        request["size"] = bytes.len().into();
        let message = [format!("{request}\n").as_bytes(), bytes].concat();
        self.socket.get_mut().write_all(&message)?;
        let mut line = String::new();
        self.socket.read_line(&mut line)?;
        if line.is_empty() {
            return Err(std::io::Error::other("it has ended"));
        }
        let answer: Value = serde_json::from_str(&line)?;
        let size = answer["size"]
            .as_u64()
            .and_then(|size| usize::try_from(size).ok());
        let mut bytes = vec![0; size.unwrap_or(0)];
        self.socket.read_exact(&mut bytes)?;
        Ok((answer, bytes))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The conversation is over, and so is the process.
        _ = self.socket.get_ref().shutdown(std::net::Shutdown::Both);
        _ = self.child.wait();
    }
}
