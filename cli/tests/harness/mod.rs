//! Running the program, and files for it.

#![allow(
    dead_code,
    reason = "each test file uses a part of the harness, and each is a crate of its own"
)]

pub(crate) mod differences;
pub(crate) mod place;
pub(crate) mod recorded_t5;
pub(crate) mod reference;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::tensor::{TensorView, serialize};
use safetensors::{Dtype, SafeTensors};

/// Runs `relattn` with these arguments.
pub(crate) fn relattn<I: IntoIterator<Item: AsRef<OsStr>>>(arguments: I) -> Output {
    Command::new(env!("CARGO_BIN_EXE_relattn"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The line that says what is wrong; drivers may have written others.
pub(crate) fn message(output: &Output) -> String {
    let text = stderr(output);
    let line = text.lines().rfind(|line| line.starts_with("error: "));
    line.unwrap_or_else(|| panic!("no message in {text:?}"))
        .to_owned()
}

/// Asserts exit status 0.
pub(crate) fn succeeded(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
}

/// Asserts exit status 2, a message with all these words, no panic.
pub(crate) fn refused(output: &Output, words: &[&str]) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    assert!(output.stdout.is_empty(), "{}", stdout(output));
    let message = message(output);
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message:?}");
    }
}

/// A file of recorded data.
pub(crate) fn recorded(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "tests", "data", name]
        .iter()
        .collect()
}

/// A tensor for a file.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<u8>,
}

impl Made {
    /// Floats that are neither equal nor symmetric.
    pub(crate) fn floats(shape: &[usize]) -> Self {
        let count: usize = shape.iter().product();
        let values = (0..count).scan(0.3_f32, |value, _| {
            *value = (*value * 3.7 + 0.11).fract() - 0.4;
            Some(*value)
        });
        Self {
            dtype: Dtype::F32,
            shape: shape.to_vec(),
            data: values.flat_map(f32::to_le_bytes).collect(),
        }
    }

    /// These numbers, rounded to f32.
    pub(crate) fn numbers(shape: &[usize], values: &[f64]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        #[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
        let rounded = values.iter().map(|&value| value as f32);
        Self {
            dtype: Dtype::F32,
            shape: shape.to_vec(),
            data: rounded.flat_map(f32::to_le_bytes).collect(),
        }
    }

    pub(crate) fn words(shape: &[usize], values: &[u32]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        Self {
            dtype: Dtype::U32,
            shape: shape.to_vec(),
            data: values.iter().flat_map(|n| n.to_le_bytes()).collect(),
        }
    }

    /// Integers of any type, as two's complements.
    pub(crate) fn integers(dtype: Dtype, shape: &[usize], values: &[i128]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        let bytes = dtype.bitsize() / 8;
        Self {
            dtype,
            shape: shape.to_vec(),
            data: values
                .iter()
                .flat_map(|n| n.to_le_bytes().into_iter().take(bytes))
                .collect(),
        }
    }

    /// What a tensor of f32 holds.
    pub(crate) fn values(&self) -> Vec<f64> {
        assert_eq!(self.dtype, Dtype::F32);
        let words = self.data.chunks_exact(4);
        words
            .map(|word| f32::from_le_bytes(word.try_into().expect("four bytes")).into())
            .collect()
    }

    pub(crate) fn bytes(shape: &[usize]) -> Self {
        Self {
            dtype: Dtype::U8,
            shape: shape.to_vec(),
            data: vec![1; shape.iter().product()],
        }
    }
}

/// A valid input: B 2, H 4, Hkv 2, Nq 5, Nk 7, D 8.
pub(crate) fn small() -> HashMap<&'static str, Made> {
    HashMap::from([
        ("q", Made::floats(&[2, 4, 5, 8])),
        ("k", Made::floats(&[2, 2, 7, 8])),
        ("v", Made::floats(&[2, 2, 7, 8])),
        ("table", Made::floats(&[32, 4])),
        ("key_mask", Made::bytes(&[2, 7])),
    ])
}

/// The bytes of a file of tensors.
pub(crate) fn file(tensors: &HashMap<&'static str, Made>) -> Vec<u8> {
    let views = tensors.iter().map(|(name, made)| {
        let view = TensorView::new(made.dtype, made.shape.clone(), &made.data);
        (*name, view.expect("a valid tensor"))
    });
    serialize(views, None).expect("a valid file")
}

/// Every tensor of a file.
pub(crate) fn tensors(path: &Path) -> HashMap<String, Made> {
    let bytes = std::fs::read(path).expect("a file");
    let tensors = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let made = |view: &TensorView<'_>| Made {
        dtype: view.dtype(),
        shape: view.shape().to_vec(),
        data: view.data().to_vec(),
    };
    let tensors = tensors.tensors().into_iter();
    tensors.map(|(name, view)| (name, made(&view))).collect()
}

/// The values of an f32 tensor.
pub(crate) fn floats(path: &Path, name: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("a file");
    let tensors = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let tensor = tensors.tensor(name).expect(name);
    assert_eq!(tensor.dtype(), Dtype::F32);
    let words = tensor.data().chunks_exact(4);
    words
        .map(|word| f32::from_le_bytes(word.try_into().expect("four bytes")))
        .collect()
}

/// The largest difference of two tensors of the same length.
pub(crate) fn largest_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    pairs
        .map(|(found, expected)| (found - expected).abs())
        .fold(0.0, |worst, difference| {
            assert!(difference.is_finite());
            worst.max(difference)
        })
}

/// A decoded picture.
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pixels: Vec<u8>,
}

impl Picture {
    pub(crate) fn decode(path: &Path) -> Self {
        let bytes = std::io::BufReader::new(std::fs::File::open(path).expect("a file"));
        let mut reader = png::Decoder::new(bytes).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("a frame");
        Self {
            width: info.width,
            height: info.height,
            pixels,
        }
    }

    /// How many colours it has.
    pub(crate) fn colours(&self) -> usize {
        let mut colours: Vec<&[u8]> = self.pixels.chunks_exact(3).collect();
        colours.sort_unstable();
        colours.dedup();
        colours.len()
    }

    /// Red, green and blue of a pixel.
    pub(crate) fn at(&self, x: u32, y: u32) -> [u8; 3] {
        let start = (y * self.width + x) as usize * 3;
        let pixel = &self.pixels[start..start + 3];
        pixel.try_into().expect("three bytes")
    }
}
