//! The matrix of bucket indices, built on the device, and a corner of it.

use relattn::{IndexFormat, Problem};
use serde::Serialize;

use crate::engine::Engine;
use crate::fault::Fault;

const ROWS: usize = 8;
const COLUMNS: usize = 12;

#[derive(Debug, Serialize)]
pub(super) struct Corner {
    built_on: Option<String>,
    queries: u32,
    keys: u32,
    wrong: usize,
    corner: Vec<Vec<u32>>,
}

impl Corner {
    pub(super) fn of(engine: &Engine, problem: &Problem) -> Result<Self, Fault> {
        let shape = problem.shape();
        let sizes = [shape.q_len, shape.k_len];
        let Some(thresholds) = problem.thresholds() else {
            return Ok(Self::new(engine, sizes, &[], &[]));
        };
        let expected: Vec<u32> = (0..shape.q_len)
            .flat_map(|i| (0..shape.k_len).map(move |j| i64::from(j) - i64::from(i)))
            .map(|offset| thresholds.bucket(offset))
            .collect();
        let built = match engine.gpu() {
            Some(gpu) => gpu.bucket_matrix(thresholds, sizes, 0, IndexFormat::U32)?,
            None => expected.clone(),
        };
        let corner = Self::new(engine, sizes, &built, &expected);
        if corner.wrong > 0 {
            return Err(Fault::Disagreement {
                what: "bucket indices that differ from the thresholds".into(),
                found: f64::from(u32::try_from(corner.wrong).unwrap_or(u32::MAX)),
                allowed: 0.0,
            });
        }
        Ok(corner)
    }

    fn new(engine: &Engine, [queries, keys]: [u32; 2], built: &[u32], expected: &[u32]) -> Self {
        let pairs = built.iter().zip(expected);
        Self {
            built_on: engine.gpu().map(|_| engine.label()),
            queries,
            keys,
            wrong: pairs.filter(|(built, expected)| built != expected).count(),
            corner: built
                .chunks_exact(keys as usize)
                .take(ROWS)
                .map(|row| row.iter().take(COLUMNS).copied().collect())
                .collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        let cells = |row: &[u32]| {
            row.iter()
                .map(|cell| format!("{cell:>4}"))
                .collect::<String>()
        };
        let keys: Vec<u32> = (0..).take(COLUMNS).collect();
        let mut text = format!(
            "Bucket of each offset, key minus query: the corner of a {} x {} matrix\n     key{}",
            self.queries,
            self.keys,
            cells(&keys)
        );
        for (i, row) in self.corner.iter().enumerate() {
            let name = if i == 0 { "query" } else { "" };
            text += &format!("\n  {name:<5}{i:>3}{}", cells(row));
        }
        let cells = u64::from(self.queries) * u64::from(self.keys);
        text += &match &self.built_on {
            Some(device) => format!(
                "\n  built on {device}; all {cells} indices equal the exact integer thresholds\n"
            ),
            None => "\n  by the exact integer thresholds, on the CPU\n".into(),
        };
        text
    }
}
