//! The matrix of bucket indices, from a device or from the thresholds.

use relattn::{IndexFormat, Problem, Thresholds};

use crate::engine::Engine;
use crate::fault::Fault;

#[derive(Debug)]
pub(super) struct Matrix {
    pub(super) q_len: u32,
    pub(super) k_len: u32,
    pub(super) query_offset: i32,
    pub(super) built_by: String,
    pub(super) on_device: bool,
    thresholds: Thresholds,
}

impl Matrix {
    /// Builds it on the device, where there is one, and compares every index with the thresholds.
    pub(super) fn build(engine: &Engine, problem: &Problem) -> Result<Self, Fault> {
        let thresholds = match problem.thresholds() {
            Some(thresholds) => thresholds.clone(),
            None => relattn::RelativeBuckets::t5_encoder().thresholds()?,
        };
        let shape = problem.shape();
        let matrix = Self {
            q_len: shape.q_len,
            k_len: shape.k_len,
            query_offset: problem.query_offset(),
            built_by: engine.label(),
            on_device: engine.gpu().is_some(),
            thresholds,
        };
        if let Some(gpu) = engine.gpu() {
            let format = match matrix.thresholds.buckets().num_buckets {
                ..=256 => IndexFormat::U8,
                _ => IndexFormat::U32,
            };
            let sizes = [matrix.q_len, matrix.k_len];
            let offset = matrix.query_offset;
            let indices = gpu.bucket_matrix(&matrix.thresholds, sizes, offset, format)?;
            matrix.check(&indices)?;
        }
        Ok(matrix)
    }

    fn check(&self, indices: &[u32]) -> Result<(), Fault> {
        let expected = (0..self.q_len).flat_map(|i| (0..self.k_len).map(move |j| (i, j)));
        let wrong = indices
            .iter()
            .zip(expected)
            .filter(|&(&index, (i, j))| index != self.at(i, j))
            .count();
        if wrong == 0 {
            return Ok(());
        }
        Err(Fault::Disagreement {
            what: format!(
                "indices of {} that differ from the thresholds",
                self.built_by
            ),
            found: f64::from(u32::try_from(wrong).unwrap_or(u32::MAX)),
            allowed: 0.0,
        })
    }

    /// Key position minus query position.
    pub(super) fn offset(&self, i: u32, j: u32) -> i64 {
        i64::from(j) - i64::from(i) - i64::from(self.query_offset)
    }

    pub(super) fn at(&self, i: u32, j: u32) -> u32 {
        self.thresholds.bucket(self.offset(i, j))
    }
}
