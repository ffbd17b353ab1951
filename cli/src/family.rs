//! The bias of `relattn attend`: its kind from the command line, its tensors from the file.

use relattn::{Bias, IndexFormat, Kerple, Layout, Problem, Shape, alibi_slopes};

use crate::args::{AttendArgs, BiasKind};
use crate::fault::Fault;
use crate::tensors::{A, BIAS, INDEX, P, SLOPES, TABLE, TensorFile};

/// The bias that is asked for.
pub(crate) fn bias(args: &AttendArgs, file: &TensorFile<'_>, shape: &Shape) -> Result<Bias, Fault> {
    Ok(match args.bias {
        BiasKind::None => Bias::None,
        BiasKind::T5 => Bias::Relative(args.buckets.into()),
        BiasKind::Offset => Bias::PerOffset {
            max_offset: args.max_offset,
        },
        BiasKind::Alibi => Bias::Alibi,
        BiasKind::KerpleLog => Bias::Kerple(Kerple::Log),
        BiasKind::KerplePower => Bias::Kerple(Kerple::Power),
        BiasKind::Sandwich => Bias::Sandwich {
            dimensions: args.dimensions,
        },
        BiasKind::Index => {
            let [rows, _] = file.sizes(TABLE)?;
            Bias::Indexed {
                rows,
                matrices: 1,
                each_sequence: file.rank(INDEX)? == 3,
                format: IndexFormat::U32,
            }
        }
        BiasKind::Dense => {
            let [each_sequence, each_head] = own_bias(file, shape)?;
            Bias::Dense(Layout::dense_bias(shape, each_sequence, each_head)?)
        }
    })
}

/// Whether a dense bias is given for each sequence, and for each head: a size of 1 shares it.
fn own_bias(file: &TensorFile<'_>, shape: &Shape) -> Result<[bool; 2], Fault> {
    let [batch, heads, ..] = file.sizes::<4>(BIAS)?;
    Ok([
        batch == shape.batch && batch != 1,
        heads == shape.heads && heads != 1,
    ])
}

/// What a bias reads.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) table: Option<Vec<f32>>,
    pub(crate) indices: Option<Vec<u32>>,
    pub(crate) dense: Option<Vec<f32>>,
}

impl Parameters {
    /// Reads what the bias of the problem needs from the file.
    pub(crate) fn load(file: &TensorFile<'_>, problem: &Problem) -> Result<Self, Fault> {
        let shape = problem.shape();
        let heads = shape.heads;
        let bias = problem.biases().next().unwrap_or(Bias::None);
        let table = match (bias, bias.table_rows()) {
            (Bias::Alibi, _) if !file.has(SLOPES) => Some(alibi_slopes(heads)),
            (Bias::Alibi, _) => Some(file.floats(SLOPES, &[heads])?),
            (Bias::Kerple(_), _) => {
                // One table for the library, with a row each.
                let p = file.floats(P, &[heads])?;
                Some([p, file.floats(A, &[heads])?].concat())
            }
            (_, Some(rows)) => Some(file.floats(TABLE, &[rows, heads])?),
            (_, None) => None,
        };
        let mut parameters = Self {
            table,
            ..Self::default()
        };
        match bias {
            Bias::Indexed { each_sequence, .. } => {
                let sizes = [shape.batch, shape.q_len, shape.k_len];
                let sizes = if each_sequence {
                    &sizes[..]
                } else {
                    &sizes[1..]
                };
                parameters.indices = Some(file.indices(INDEX, sizes)?);
            }
            Bias::Dense(_) => {
                let [each_sequence, each_head] = own_bias(file, shape)?;
                let size = |each: bool, size: u32| if each { size } else { 1 };
                let sizes = [
                    size(each_sequence, shape.batch),
                    size(each_head, heads),
                    shape.q_len,
                    shape.k_len,
                ];
                parameters.dense = Some(file.floats(BIAS, &sizes)?);
            }
            _ => {}
        }
        Ok(parameters)
    }
}
