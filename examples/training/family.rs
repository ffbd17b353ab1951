//! The biases that can be learned, and how.

use relattn::{Bias, Kerple, RelativeBuckets};

use super::Random;

/// Units of FIRE's hidden layer, as in the paper.
const FIRE_WIDTH: u32 = 32;

/// A bias with parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) bias: Bias,
    /// Where the rate of learning begins.
    pub(crate) rate: f32,
    /// Where FIRE's threshold L begins.
    threshold: f32,
}

impl Family {
    const fn new(name: &'static str, bias: Bias, rate: f32) -> Self {
        Self {
            name,
            bias,
            rate,
            threshold: 0.0,
        }
    }

    pub(crate) const fn t5(name: &'static str, buckets: RelativeBuckets) -> Self {
        Self::new(name, Bias::Relative(buckets), 0.1)
    }

    pub(crate) const fn per_offset(max_offset: u32) -> Self {
        Self::new("per offset", Bias::PerOffset { max_offset }, 0.1)
    }

    pub(crate) const fn alibi() -> Self {
        Self::new("ALiBi", Bias::Alibi, 0.02)
    }

    pub(crate) const fn kerple_log() -> Self {
        Self::new("KERPLE log", Bias::Kerple(Kerple::Log), 0.05)
    }

    pub(crate) const fn kerple_power() -> Self {
        Self::new("KERPLE power", Bias::Kerple(Kerple::Power), 0.05)
    }

    pub(crate) const fn fire(threshold: f32) -> Self {
        Self {
            threshold,
            ..Self::new("FIRE", Bias::Fire { width: FIRE_WIDTH }, 0.02)
        }
    }

    /// The table before anything is learned: no bias, or, where that has no slope, a weak one.
    pub(crate) fn initial(&self, heads: usize, random: &mut Random) -> Vec<f32> {
        let rows = self.bias.table_rows().unwrap_or(0);
        let mut table = Vec::new();
        for row in 0..rows {
            table.extend((0..heads).map(|_| self.initial_parameter(row, random)));
        }
        table
    }

    fn initial_parameter(&self, row: u32, random: &mut Random) -> f32 {
        match (self.bias, row) {
            (Bias::Kerple(Kerple::Log), _) => 0.5,
            (Bias::Kerple(Kerple::Power), 0) => 1.0,
            (Bias::Kerple(Kerple::Power), _) => 0.05,
            (Bias::Fire { .. }, 0) => 0.1,
            (Bias::Fire { .. }, 1) => self.threshold,
            // As PyTorch begins: within 1 / √inputs.
            (Bias::Fire { width }, _) if row < 2 + 2 * width => random.within(1.0),
            (Bias::Fire { width }, _) => random.within(1.0 / (width as f32).sqrt()),
            _ => 0.0,
        }
    }

    /// Whether a row of the table is positive: then its logarithm is what is learned.
    const fn is_positive(&self, row: usize) -> bool {
        match self.bias {
            Bias::Kerple(_) => true,
            // c and L.
            Bias::Fire { .. } => row < 2,
            _ => false,
        }
    }

    /// What is learned, from the table.
    pub(crate) fn parameters(&self, table: &[f32], heads: usize) -> Vec<f32> {
        self.map(
            table,
            heads,
            |value, positive| if positive { value.ln() } else { value },
        )
    }

    /// The table, from what is learned.
    pub(crate) fn table(&self, parameters: &[f32], heads: usize) -> Vec<f32> {
        self.map(parameters, heads, |value, positive| {
            if positive { value.exp() } else { value }
        })
    }

    /// The gradient of what is learned, from that of the table.
    pub(crate) fn gradient(&self, dtable: &[f32], table: &[f32], heads: usize) -> Vec<f32> {
        let factors = self.map(
            table,
            heads,
            |value, positive| if positive { value } else { 1.0 },
        );
        dtable
            .iter()
            .zip(factors)
            .map(|(slope, factor)| slope * factor)
            .collect()
    }

    fn map(&self, values: &[f32], heads: usize, each: impl Fn(f32, bool) -> f32) -> Vec<f32> {
        let rows = values.chunks(heads).enumerate();
        rows.flat_map(|(row, values)| values.iter().map(move |&value| (row, value)))
            .map(|(row, value)| each(value, self.is_positive(row)))
            .collect()
    }
}
