//! The learned table that a picture shows.

use std::path::Path;

use relattn::{Direction, RelativeBuckets};

use crate::args::BiasKind;
use crate::demo::{MPNET, MPNET_PATH};
use crate::fault::Fault;
use crate::names::TABLES;
use crate::tensors::{self, TensorFile};

/// A table by bucket and head, and what to call it.
#[derive(Debug)]
pub(super) struct HeadBias {
    pub(super) name: String,
    pub(super) heads: u32,
    table: Vec<f32>,
}

impl HeadBias {
    /// The caller's table, of so many heads where that is asked for; without one that of all-mpnet-base-v2 where it fits the
    /// buckets and the heads.
    pub(super) fn load(
        path: Option<&Path>,
        buckets: RelativeBuckets,
        heads: Option<u32>,
    ) -> Result<Option<Self>, Fault> {
        if let Some(path) = path {
            let bytes = tensors::read(path)?;
            let name = path.file_name().unwrap_or(path.as_os_str());
            let name = name.to_string_lossy().into_owned();
            return Self::parse(path, &bytes, name, buckets.num_buckets, heads).map(Some);
        }
        if buckets.num_buckets == 32 && buckets.direction == Direction::Bidirectional {
            let name = "all-mpnet-base-v2".into();
            let bias = Self::parse(Path::new(MPNET_PATH), MPNET, name, 32, None)?;
            return Ok(heads
                .is_none_or(|heads| heads == bias.heads)
                .then_some(bias));
        }
        Ok(None)
    }

    fn parse(
        path: &Path,
        bytes: &[u8],
        name: String,
        rows: u32,
        heads: Option<u32>,
    ) -> Result<Self, Fault> {
        let file = TensorFile::parse(path, bytes)?;
        let name_of_table = TABLES.of(BiasKind::T5, &[BiasKind::T5], &file)?;
        let [_, found] = file.sizes(name_of_table)?;
        let heads = heads.unwrap_or(found);
        let table = file.floats(name_of_table, &[rows, heads])?;
        Ok(Self { name, heads, table })
    }

    pub(super) fn at(&self, bucket: u32, head: u32) -> f32 {
        let index = bucket as usize * self.heads as usize + head as usize;
        self.table.get(index).copied().unwrap_or(0.0)
    }

    pub(super) fn usual_magnitude(&self) -> f32 {
        usual_magnitude(&self.table)
    }
}

/// The magnitude that 49 of 50 numbers keep within: a few outliers would leave everything else pale.
pub(super) fn usual_magnitude(values: &[f32]) -> f32 {
    let magnitudes = values.iter().map(|value| value.abs());
    let mut magnitudes: Vec<f32> = magnitudes.filter(|value| value.is_finite()).collect();
    magnitudes.sort_unstable_by(f32::total_cmp);
    let index = magnitudes.len() * 49 / 50;
    magnitudes.get(index).copied().unwrap_or(0.0)
}
