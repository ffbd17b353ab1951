//! A folder in which `relattn attend` runs.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Output;

use tempfile::TempDir;

use super::{Made, file, floats, refused, relattn, succeeded};

/// A folder with an input and the place of an output.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) input: PathBuf,
    output: PathBuf,
}

impl Place {
    pub(crate) fn new(tensors: &HashMap<&'static str, Made>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let input = folder.path().join("in.safetensors");
        let output = folder.path().join("out.safetensors");
        std::fs::write(&input, file(tensors)).expect("written");
        Self {
            folder,
            input,
            output,
        }
    }

    fn attend(&self, device: &str, options: &[&str]) -> Output {
        let mut arguments = vec!["attend".as_ref(), self.input.as_os_str()];
        arguments.extend([OsStr::new("-o"), self.output.as_os_str()]);
        arguments.extend(["--device", device].map(OsStr::new));
        arguments.extend(options.iter().map(OsStr::new));
        relattn(&arguments)
    }

    /// The output with these options.
    pub(crate) fn ctx(&self, device: &str, options: &[&str]) -> Vec<f32> {
        succeeded(&self.attend(device, options));
        floats(&self.output, "ctx")
    }

    /// The output with these options on the CPU, and what is said beside it.
    pub(crate) fn noted(&self, options: &[&str]) -> (Vec<f32>, String) {
        let output = self.attend("cpu", options);
        succeeded(&output);
        let notes = String::from_utf8_lossy(&output.stderr).into_owned();
        (floats(&self.output, "ctx"), notes)
    }

    /// Every tensor of the output with these options.
    pub(crate) fn written(&self, device: &str, options: &[&str]) -> HashMap<String, Made> {
        succeeded(&self.attend(device, options));
        super::tensors(&self.output)
    }

    /// Asserts that these options are bad input, and that nothing is written.
    pub(crate) fn refuses(&self, options: &[&str], words: &[&str]) {
        refused(&self.attend("cpu", options), words);
        let names = std::fs::read_dir(self.folder.path()).expect("a folder");
        assert_eq!(names.count(), 1, "something was written");
    }
}
