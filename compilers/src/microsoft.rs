//! Microsoft's compilers of HLSL, as they come with Dawn's package for Windows, under Wine.
//!
//! `microsoft/compile.c` calls them as wgpu does. The libraries are Microsoft's, under a licence of their own: they stay where npm put them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use relattn::Checks;
use relattn::plan::KernelText;
use relattn::shader::Dialect;
use tempfile::TempDir;

use crate::translate::{Language, Module, ShaderModel, Target, Translation};

/// Both libraries, beside the program that loads them.
const LIBRARIES: [&str; 2] = ["d3dcompiler_47.dll", "dxcompiler.dll"];

/// How a compiler of wgpu's is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Compiler {
    /// For shader model 5.1; it knows no subgroup operations.
    Fxc,
    /// For shader model 6.0.
    Dxc,
}

impl Compiler {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Dxc, Self::Fxc];

    const fn model(self) -> ShaderModel {
        match self {
            Self::Fxc => ShaderModel::V5_1,
            Self::Dxc => ShaderModel::V6_0,
        }
    }

    /// What wgpu is given for it.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Fxc => Dialect::Fxc,
            Self::Dxc => Dialect::Native,
        }
    }

    /// What wgpu gives it.
    #[must_use]
    pub const fn target(self) -> Target {
        Target {
            language: Language::Hlsl(self.model()),
            checks: Checks::None,
        }
    }
}

/// A folder with the program, its libraries, and what it compiles.
#[derive(Debug)]
pub struct Workshop {
    folder: TempDir,
}

/// What a compiler made of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many bytes of code, after this time.
    Accepted {
        /// Of DXBC or DXIL.
        bytes: u64,
        /// Of the compiler alone.
        took: Duration,
    },
    /// In the compiler's words.
    Refused(String),
    /// No answer within the time allowed.
    Unfinished,
}

impl Workshop {
    /// Compiles the program.
    ///
    /// # Errors
    /// A machine without Wine, mingw or Dawn's package, in words.
    pub fn open() -> Result<Self, String> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        let libraries = sources.join("dawn/node_modules/webgpu/dist/win32-x64");
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        for name in LIBRARIES {
            std::fs::copy(libraries.join(name), folder.path().join(name)).map_err(|error| {
                format!("no {name}: {error}; run `npm install` in compilers/dawn")
            })?;
        }
        let compiled = Command::new("x86_64-w64-mingw32-gcc")
            .args([OsStr::new("-O2"), OsStr::new("-o")])
            .arg(folder.path().join("compile.exe"))
            .arg(sources.join("microsoft/compile.c"))
            .status();
        match compiled {
            Ok(status) if status.success() => Ok(Self { folder }),
            Ok(status) => Err(format!("mingw: {status}")),
            Err(error) => Err(format!("no x86_64-w64-mingw32-gcc: {error}")),
        }
    }

    /// Writes a kernel for a compiler, and has it compile that.
    ///
    /// # Errors
    /// What naga cannot write, or a machine without Wine.
    pub fn compile(
        &self,
        compiler: Compiler,
        kernel: &KernelText,
        allowed: Duration,
    ) -> Result<Outcome, String> {
        let text = kernel.in_dialect(compiler.dialect());
        let translation = Module::parse(&text)?.translate(&compiler.target())?;
        let Translation::Text { source, entry } = translation else {
            return Err("naga wrote no text".into());
        };
        let profile = format!("cs_{}", compiler.model().to_str());
        self.run(&format!("{profile} {entry}"), &source, allowed)
            .map_err(|error| format!("Wine: {error}"))
    }

    fn run(&self, job: &str, source: &str, allowed: Duration) -> std::io::Result<Outcome> {
        let path = self.folder.path().join("kernel.hlsl");
        std::fs::write(&path, source)?;
        let mut wine = Command::new("wine")
            .arg("compile.exe")
            .current_dir(self.folder.path())
            .env("WINEPREFIX", prefix())
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree=d;mshtml=d;d3dcompiler_47=n")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut jobs) = wine.stdin.take() {
            writeln!(jobs, "{job} kernel.hlsl")?;
        }
        let start = Instant::now();
        while wine.try_wait()?.is_none() {
            if start.elapsed() > allowed {
                wine.kill()?;
                wine.wait()?;
                return Ok(Outcome::Unfinished);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let answers = wine.stdout.take();
        answers.map_or_else(|| Err(std::io::Error::other("no answer")), read)
    }
}

/// One for these runs alone, kept between them because it takes seconds to make.
fn prefix() -> PathBuf {
    std::env::temp_dir().join("relattn-wine")
}

fn read(answers: ChildStdout) -> std::io::Result<Outcome> {
    let mut lines = BufReader::new(answers).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().collect();
    let number = |word: &str| word.parse().map_err(std::io::Error::other);
    match words[..] {
        ["ok", bytes, milliseconds, _] => Ok(Outcome::Accepted {
            bytes: number(bytes)?,
            took: Duration::from_millis(number(milliseconds)?),
        }),
        ["error", _] => {
            let said: Vec<String> = lines.collect::<Result<_, _>>()?;
            Ok(Outcome::Refused(said.join("\n")))
        }
        _ => Err(std::io::Error::other(format!("not an answer: {first:?}"))),
    }
}
