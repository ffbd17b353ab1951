//! A safetensors file with its tensors checked one by one.

use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::allowed::Allowed;
use crate::fault::Fault;
use crate::integers;
use crate::wanted::Wanted;

/// A parsed file, and where it came from for messages.
#[derive(Debug)]
pub(crate) struct TensorFile<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(path).map_err(|source| Fault::Read {
        path: path.to_owned(),
        source,
    })
}

impl<'a> TensorFile<'a> {
    pub(crate) fn parse(path: &'a Path, bytes: &'a [u8]) -> Result<Self, Fault> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|source| Fault::Malformed {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { path, tensors })
    }

    pub(crate) const fn path(&self) -> &'a Path {
        self.path
    }

    pub(crate) fn has(&self, wanted: Wanted) -> bool {
        self.tensors.tensor(wanted.name).is_ok()
    }

    /// The number of dimensions of a tensor.
    pub(crate) fn rank(&self, wanted: Wanted) -> Result<usize, Fault> {
        Ok(self.view(wanted)?.shape().len())
    }

    /// The sizes of a tensor that must have `RANK` dimensions.
    pub(crate) fn sizes<const RANK: usize>(&self, wanted: Wanted) -> Result<[u32; RANK], Fault> {
        let shape = self.view(wanted)?.shape().to_vec();
        let sizes: Result<Vec<u32>, _> = shape.iter().map(|&size| size.try_into()).collect();
        let Ok(sizes) = sizes else {
            return Err(Fault::Dimension {
                path: self.path.to_owned(),
                name: wanted.name,
                found: shape,
            });
        };
        sizes.try_into().map_err(|_| Fault::Rank {
            path: self.path.to_owned(),
            name: wanted.name,
            form: wanted.form,
            found: shape,
        })
    }

    /// The values of an f32 tensor of exactly these sizes.
    pub(crate) fn floats(&self, wanted: Wanted, sizes: &[u32]) -> Result<Vec<f32>, Fault> {
        let data = self.data(wanted, &[Dtype::F32], sizes)?;
        let words = data.chunks_exact(4);
        Ok(words
            .map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect())
    }

    /// The values of an f32 tensor of a number for each head.
    pub(crate) fn of_heads(
        &self,
        wanted: Wanted,
        heads: u32,
        allowed: Allowed,
    ) -> Result<Vec<f32>, Fault> {
        let values = self.floats(wanted, &[heads])?;
        match values.iter().position(|&value| !allowed.has(value)) {
            Some(head) => Err(Fault::Parameter {
                path: self.path.to_owned(),
                name: wanted.name,
                head,
                found: values[head],
                allowed,
            }),
            None => Ok(values),
        }
    }

    /// The value of an f32 tensor of one number, where the file has it.
    pub(crate) fn number(&self, wanted: Wanted) -> Result<Option<f32>, Fault> {
        if !self.has(wanted) {
            return Ok(None);
        }
        let sizes: &[u32] = match self.rank(wanted)? {
            0 => &[],
            _ => &[1],
        };
        Ok(self.floats(wanted, sizes)?.first().copied())
    }

    /// Whether each number of a tensor of u8 or bool of exactly these sizes is not 0.
    pub(crate) fn flags(&self, wanted: Wanted, sizes: &[u32]) -> Result<Vec<bool>, Fault> {
        let data = self.data(wanted, &[Dtype::U8, Dtype::BOOL], sizes)?;
        Ok(data.iter().map(|&byte| byte != 0).collect())
    }

    /// The values of a u8 tensor of exactly these sizes.
    pub(crate) fn bytes(&self, wanted: Wanted, sizes: &[u32]) -> Result<Vec<u8>, Fault> {
        Ok(self.data(wanted, &[Dtype::U8], sizes)?.to_vec())
    }

    /// The values of a tensor of integers from 0 on, of exactly these sizes.
    pub(crate) fn indices(&self, wanted: Wanted, sizes: &[u32]) -> Result<Vec<u32>, Fault> {
        let data = self.data(wanted, integers::TYPES, sizes)?;
        integers::decoded(self.dtype(wanted)?, data).map_err(|found| Fault::Integer {
            path: self.path.to_owned(),
            name: wanted.name,
            found,
        })
    }

    pub(crate) fn dtype(&self, wanted: Wanted) -> Result<Dtype, Fault> {
        Ok(self.view(wanted)?.dtype())
    }

    fn data(&self, wanted: Wanted, allowed: &[Dtype], sizes: &[u32]) -> Result<&'a [u8], Fault> {
        let view = self.view(wanted)?;
        if !allowed.contains(&view.dtype()) {
            return Err(Fault::Dtype {
                path: self.path.to_owned(),
                name: wanted.name,
                form: wanted.form,
                found: view.dtype(),
                allowed: allowed.to_vec(),
            });
        }
        let needed: Vec<usize> = sizes.iter().map(|&size| size as usize).collect();
        if view.shape() != needed {
            return Err(Fault::Shape {
                path: self.path.to_owned(),
                name: wanted.name,
                form: wanted.form,
                found: view.shape().to_vec(),
                needed,
            });
        }
        Ok(view.data())
    }

    fn view(&self, wanted: Wanted) -> Result<TensorView<'a>, Fault> {
        self.tensors.tensor(wanted.name).map_err(|_| Fault::Absent {
            path: self.path.to_owned(),
            name: wanted.name,
            form: wanted.form,
            found: self.names(),
        })
    }

    fn names(&self) -> String {
        let mut names = self.tensors.names();
        names.sort_unstable();
        if names.is_empty() {
            "none".into()
        } else {
            names.join(", ")
        }
    }
}
