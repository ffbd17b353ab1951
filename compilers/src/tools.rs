//! Khronos's own compilers and validators, where a machine has them.

use std::io::Write;
use std::process::{Command, Output};

use crate::translate::{Language, Target, Translation};

/// The program that judges what naga wrote for a target; nothing for a language that no program here reads.
#[must_use]
pub fn judge(target: &Target) -> Option<Tool> {
    let (program, arguments): (_, &[&str]) = match target.language {
        // The oldest version of Vulkan that has the version of SPIR-V.
        Language::Spirv(1, ..=3) => ("spirv-val", &["--target-env", "vulkan1.1"]),
        Language::Spirv(..) => ("spirv-val", &["--target-env", "vulkan1.3"]),
        Language::Glsl(_) => ("glslangValidator", &["-S", "comp"]),
        Language::Hlsl(_) | Language::Msl(..) => return None,
    };
    Some(Tool { program, arguments })
}

/// A program that reads a file.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Its name.
    pub program: &'static str,
    arguments: &'static [&'static str],
}

impl Tool {
    /// Whether the machine has it.
    #[must_use]
    pub fn is_here(&self) -> bool {
        Command::new(self.program).arg("--version").output().is_ok()
    }

    /// What it says about a translation.
    ///
    /// # Errors
    /// What it does not accept, or a program that cannot be started.
    pub fn check(&self, translation: &Translation) -> Result<(), String> {
        let output = self.run(translation);
        let output = output.map_err(|error| format!("{}: {error}", self.program))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(format!(
            "{}: {}",
            self.program,
            String::from_utf8_lossy(&said)
        ))
    }

    fn run(&self, translation: &Translation) -> std::io::Result<Output> {
        let mut file = tempfile::NamedTempFile::new()?;
        match translation {
            Translation::Text { source, .. } => file.write_all(source.as_bytes())?,
            Translation::Words(words) => {
                let bytes: Vec<u8> = words.iter().copied().flat_map(u32::to_le_bytes).collect();
                file.write_all(&bytes)?;
            }
        }
        let mut command = Command::new(self.program);
        command.args(self.arguments).arg(file.path()).output()
    }
}
