//! The biases that are asked for: their kinds from the command line, their tensors from the file.

use relattn::{Bias, IndexFormat, Kerple, Layout, Shape, alibi_slopes};
use safetensors::Dtype;

use crate::allowed::Allowed;
use crate::args::{BiasArgs, BiasKind};
use crate::fault::Fault;
use crate::fire;
use crate::gradients::{Form, Slot};
use crate::names::{AS, PS, TABLES};
use crate::planes::Planes;
use crate::tensors::TensorFile;
use crate::wanted::{BIAS, INDEX, SLOPES};

/// The most heads that have default slopes: a tensor without elements may have any number of them.
const MOST_HEADS: u32 = 1 << 16;

/// The sum of biases that is asked for, in the order of the command line.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    args: &'a BiasArgs,
    file: &'a TensorFile<'a>,
    shape: Shape,
}

/// What the biases read.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) table: Option<Vec<f32>>,
    pub(crate) indices: Option<Vec<u32>>,
    pub(crate) dense: Option<Vec<f32>>,
}

impl<'a> Family<'a> {
    pub(crate) fn new(
        args: &'a BiasArgs,
        file: &'a TensorFile<'a>,
        shape: &Shape,
    ) -> Result<Self, Fault> {
        args.check_sum()?;
        Ok(Self {
            args,
            file,
            shape: *shape,
        })
    }

    /// The biases, of which only the sizes come from the file.
    pub(crate) fn biases(&self) -> Result<Vec<Bias>, Fault> {
        let kinds = self.args.kinds.iter();
        kinds.map(|&kind| self.bias(kind)).collect()
    }

    fn bias(&self, kind: BiasKind) -> Result<Bias, Fault> {
        Ok(match kind {
            BiasKind::None => Bias::None,
            BiasKind::T5 => Bias::Relative(self.args.buckets.into()),
            BiasKind::Offset => Bias::PerOffset {
                max_offset: self.args.max_offset(),
            },
            BiasKind::Alibi => Bias::Alibi,
            BiasKind::KerpleLog => Bias::Kerple(Kerple::Log),
            BiasKind::KerplePower => Bias::Kerple(Kerple::Power),
            BiasKind::Sandwich => Bias::Sandwich {
                dimensions: self.args.dimensions(),
            },
            BiasKind::Fire => Bias::Fire {
                width: fire::width(self.file)?,
            },
            BiasKind::Index => self.indexed()?,
            BiasKind::Dense => {
                let planes = Planes::of(self.file, BIAS, &self.shape)?;
                let (sequence, head) = (planes.each_sequence, planes.each_head);
                Bias::Dense(Layout::dense_bias(&self.shape, sequence, head)?)
            }
        })
    }

    fn indexed(&self) -> Result<Bias, Fault> {
        let name = TABLES.of(BiasKind::Index, &self.args.kinds, self.file)?;
        let [all, _] = self.file.sizes(name)?;
        let (matrices, each_sequence) = match self.file.rank(INDEX)? {
            2 => (1, false),
            3 => (1, true),
            _ => {
                let [matrices, batch, ..] = self.file.sizes::<4>(INDEX)?;
                (matrices, batch == self.shape.batch && batch != 1)
            }
        };
        // Without matrices there is no bias that the library would accept, whatever the rows are.
        if !all.is_multiple_of(matrices.max(1)) {
            return Err(Fault::IndexRows {
                path: self.file.path().to_owned(),
                name: name.name,
                rows: all,
                matrices,
            });
        }
        Ok(Bias::Indexed {
            rows: all / matrices.max(1),
            matrices,
            each_sequence,
            format: format(self.file.dtype(INDEX)?, all / matrices.max(1)),
        })
    }

    /// Reads what the biases need.
    pub(crate) fn parameters(&self, biases: &[Bias]) -> Result<Parameters, Fault> {
        let mut parameters = Parameters::default();
        for (&kind, bias) in self.args.kinds.iter().zip(biases) {
            if let Some(rows) = self.rows(kind, bias)? {
                parameters.table.get_or_insert_default().extend(rows);
            }
            match kind {
                BiasKind::Index => parameters.indices = Some(self.indices(bias)?),
                BiasKind::Dense => {
                    let planes = Planes::of(self.file, BIAS, &self.shape)?;
                    parameters.dense = Some(self.file.floats(BIAS, &planes.sizes)?);
                }
                _ => {}
            }
        }
        Ok(parameters)
    }

    /// The rows of a bias in the table of the sum, where it has any.
    fn rows(&self, kind: BiasKind, bias: &Bias) -> Result<Option<Vec<f32>>, Fault> {
        let (file, heads) = (self.file, self.shape.heads);
        let Some(rows) = bias.table_rows() else {
            return Ok(None);
        };
        Ok(Some(match *bias {
            Bias::Alibi if !file.has(SLOPES) => default_slopes(heads)?,
            Bias::Alibi => file.of_heads(SLOPES, heads, Allowed::Finite)?,
            Bias::Kerple(kerple) => {
                let [p, a] = [&PS, &AS].map(|names| names.of(kind, &self.args.kinds, file));
                let [of_p, of_a] = match kerple {
                    Kerple::Log => [Allowed::Finite, Allowed::NotNegative],
                    Kerple::Power => [Allowed::Positive, Allowed::Finite],
                };
                let p = file.of_heads(p?, heads, of_p)?;
                [p, file.of_heads(a?, heads, of_a)?].concat()
            }
            Bias::Fire { width } => fire::table(file, width, heads)?,
            _ => {
                let name = TABLES.of(kind, &self.args.kinds, file)?;
                file.floats(name, &[rows, heads])?
            }
        }))
    }

    /// Which rows of the table of the sum are which tensor.
    pub(crate) fn slots(&self, biases: &[Bias]) -> Result<Vec<Slot>, Fault> {
        let mut slots = Vec::new();
        let mut first = 0;
        for (&kind, bias) in self.args.kinds.iter().zip(biases) {
            let Some(rows) = bias.table_rows() else {
                continue;
            };
            let own = self.slots_of(kind, bias, rows)?;
            slots.extend(own.into_iter().map(|slot| slot.behind(first)));
            first += rows;
        }
        Ok(slots)
    }

    fn slots_of(&self, kind: BiasKind, bias: &Bias, rows: u32) -> Result<Vec<Slot>, Fault> {
        let (file, heads) = (self.file, self.shape.heads);
        let row = |tensor, row| Slot::new(tensor, vec![heads], row..row + 1, Form::Rows);
        Ok(match *bias {
            Bias::Alibi => vec![row(SLOPES, 0)],
            Bias::Kerple(_) => {
                let [p, a] = [&PS, &AS].map(|names| names.of(kind, &self.args.kinds, file));
                vec![row(p?, 0), row(a?, 1)]
            }
            Bias::Fire { width } => fire::slots(file, width, heads)?,
            _ => {
                let name = TABLES.of(kind, &self.args.kinds, file)?;
                vec![Slot::new(name, vec![rows, heads], 0..rows, Form::Rows)]
            }
        })
    }

    fn indices(&self, bias: &Bias) -> Result<Vec<u32>, Fault> {
        let Bias::Indexed {
            matrices,
            each_sequence,
            ..
        } = *bias
        else {
            return Ok(Vec::new());
        };
        let batch = if each_sequence { self.shape.batch } else { 1 };
        let sizes = [matrices, batch, self.shape.q_len, self.shape.k_len];
        let dimensions = self.file.rank(INDEX)?.min(4);
        self.file.indices(INDEX, &sizes[4 - dimensions..])
    }
}

/// Those of the paper.
fn default_slopes(heads: u32) -> Result<Vec<f32>, Fault> {
    if heads > MOST_HEADS {
        return Err(Fault::DefaultSlopes {
            heads,
            maximum: MOST_HEADS,
        });
    }
    Ok(alibi_slopes(heads))
}

/// That of the file, or the next that tells so many rows apart.
fn format(dtype: Dtype, rows: u32) -> IndexFormat {
    let own = match dtype {
        Dtype::U8 | Dtype::I8 => IndexFormat::U8,
        Dtype::U16 | Dtype::I16 => IndexFormat::U16,
        _ => IndexFormat::U32,
    };
    [own, IndexFormat::U16]
        .into_iter()
        .find(|format| format.per_word() <= own.per_word() && rows <= format.most())
        .unwrap_or(IndexFormat::U32)
}

#[cfg(test)]
mod tests {
    use super::{Dtype, IndexFormat, format};

    #[test]
    fn formats_are_those_of_the_file_as_far_as_rows_fit() {
        for (dtype, rows, expected) in [
            (Dtype::U8, 256, IndexFormat::U8),
            (Dtype::I8, 1, IndexFormat::U8),
            (Dtype::U8, 257, IndexFormat::U16),
            (Dtype::U8, 65_537, IndexFormat::U32),
            (Dtype::U16, 2, IndexFormat::U16),
            (Dtype::I16, 65_536, IndexFormat::U16),
            (Dtype::U16, 65_537, IndexFormat::U32),
            (Dtype::U32, 2, IndexFormat::U32),
            (Dtype::I64, 300, IndexFormat::U32),
        ] {
            assert_eq!(format(dtype, rows), expected, "{dtype} {rows}");
        }
    }
}
