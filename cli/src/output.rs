//! Files that are written whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};

use crate::fault::Fault;
use crate::wanted::Wanted;

/// Refuses an output that is the input, also by another name.
pub(crate) fn refuse_same(input: &Path, output: &Path) -> Result<(), Fault> {
    let same = match (input.canonicalize(), output.canonicalize()) {
        (Ok(input), Ok(output)) => input == output,
        _ => input == output,
    };
    if same {
        return Err(Fault::SameFile {
            path: output.to_owned(),
        });
    }
    Ok(())
}

/// Writes into a new file of the same folder and renames it, so that nobody sees half of it.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<(), Fault> {
    write_beside(path, contents).map_err(|source| Fault::Write {
        path: path.to_owned(),
        source,
    })
}

/// Refuses a place that cannot be written, before minutes or hours of work for it.
pub(crate) fn writable(path: &Path) -> Result<(), Fault> {
    let tried = folder_of(path).and_then(tempfile::tempfile_in);
    tried.map(drop).map_err(|source| Fault::Write {
        path: path.to_owned(),
        source,
    })
}

/// Where a new file is made.
fn folder_of(path: &Path) -> io::Result<&Path> {
    if path.is_dir() {
        return Err(io::Error::other("it is a folder"));
    }
    Ok(match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    })
}

fn write_beside(path: &Path, contents: &[u8]) -> io::Result<()> {
    let folder = folder_of(path)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".relattn-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The usual mode of a new file, which the umask narrows; a temporary file alone would be private.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// An f32 tensor to write.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) name: String,
    pub(crate) sizes: Vec<u32>,
    pub(crate) values: Vec<f32>,
}

impl Written {
    pub(crate) fn new(name: &str, sizes: &[u32], values: Vec<f32>) -> Self {
        Self {
            name: name.into(),
            sizes: sizes.into(),
            values,
        }
    }

    /// The gradient of a tensor, by its name with a d before it.
    pub(crate) fn gradient(of: Wanted, sizes: &[u32], values: Vec<f32>) -> Self {
        Self::new(&format!("d{}", of.name), sizes, values)
    }
}

/// The bytes of a safetensors file.
pub(crate) fn safetensors(path: &Path, tensors: &[Written]) -> Result<Vec<u8>, Fault> {
    let malformed = |source| Fault::Malformed {
        path: path.to_owned(),
        source,
    };
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .map(|tensor| le_bytes(&tensor.values))
        .collect();
    let views: Result<Vec<_>, _> = tensors
        .iter()
        .zip(&data)
        .map(|(tensor, data)| {
            let shape = tensor.sizes.iter().map(|&size| size as usize).collect();
            Ok((&tensor.name, TensorView::new(Dtype::F32, shape, data)?))
        })
        .collect();
    serialize(views.map_err(malformed)?, None).map_err(malformed)
}

/// The bytes of f32 values, as files and devices hold them.
pub(crate) fn le_bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => print(&text),
        Err(error) => eprintln!("error: the result has no JSON form: {error}"),
    }
}

/// Writes a value as JSON.
pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Fault> {
    let written = |source| Fault::Write {
        path: path.to_owned(),
        source,
    };
    let text = serde_json::to_string_pretty(value).map_err(|error| written(error.into()))?;
    replace(path, (text + "\n").as_bytes())
}

/// Prints a line; a reader that has gone away is no error of ours.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
