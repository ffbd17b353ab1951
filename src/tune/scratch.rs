//! A problem that stands for its class, and numbers for it.

use crate::cpu::Inputs;
use crate::problem::{STRIDED, features};
use crate::{Bias, Capabilities, Layout, Problem, Shape, Tensor};

/// The most operations of a pass that is timed, on a GPU and where a processor plays one.
const FLOPS: [u64; 2] = [1 << 36, 1 << 31];
/// The most bytes of q, k, v and the output.
const BYTES: u64 = 1 << 29;
/// Query rows that keep any tile full.
const ROWS: u32 = 1024;

/// The problem, with fewer sequences, then fewer heads, then fewer query rows where it would take long: what a kernel does for the others is the same.
pub(super) fn reduced(problem: &Problem, capabilities: &Capabilities) -> Problem {
    let mut problem = problem.clone();
    let flops = FLOPS[usize::from(capabilities.cpu)];
    while problem.cost().flops > flops || problem.cost().bytes > BYTES {
        let shape = problem.shape;
        let group = shape.heads / shape.kv_heads.max(1);
        if shape.batch > 1 {
            problem.shape.batch = shape.batch.div_ceil(2);
        } else if shape.kv_heads > 1 {
            problem.shape.kv_heads = shape.kv_heads.div_ceil(2);
            problem.shape.heads = group * problem.shape.kv_heads;
        } else if shape.q_len > ROWS && problem.mask.packed.is_none() {
            keep_last_rows(&mut problem, shape.q_len.div_ceil(2));
        } else {
            break;
        }
    }
    problem
}

/// The last rows, which under a causal mask see most.
fn keep_last_rows(problem: &mut Problem, rows: u32) {
    let left_out = problem.shape.q_len - rows;
    // `Problem::build` keeps the last row's position within 32 bits.
    problem.query_offset = problem.query_offset.saturating_add_unsigned(left_out);
    problem.shape.q_len = rows;
    // Strides of the whole would leave gaps as large as what is left out.
    for (position, &tensor) in STRIDED.iter().enumerate() {
        let features = features(tensor, problem.shape.head_dim, problem.value_dim);
        let sizes = problem.rows_of(tensor);
        let contiguous = sizes.map(|sizes| Layout::contiguous(tensor, sizes, features));
        if let (Tensor::Q | Tensor::Out, Some(Ok(layout))) = (tensor, contiguous) {
            problem.layouts[position] = layout;
        }
    }
}

/// The tensors of a problem. Nothing is hidden by lengths, documents, bits or a key mask: a class has to be fast at its largest.
#[derive(Debug)]
pub(super) struct Scratch {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    table: Option<Vec<f32>>,
    gate: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
    indices: Option<Vec<u32>>,
    key_mask: Option<Vec<u8>>,
    key_lengths: Option<Vec<u32>>,
    query_lengths: Option<Vec<u32>>,
    query_documents: Option<Vec<u32>>,
    key_documents: Option<Vec<u32>>,
    mask_bits: Option<Vec<u32>>,
    query_starts: Option<Vec<u32>>,
    key_starts: Option<Vec<u32>>,
    block_table: Option<Vec<u32>>,
}

impl Scratch {
    pub(super) fn new(problem: &Problem) -> Self {
        let &Shape { q_len, k_len, .. } = problem.shape();
        let has = |tensor| problem.uses(tensor).then(|| count(problem, tensor));
        let floats = |tensor| has(tensor).map(values);
        let all = |tensor, value: u32| has(tensor).map(|count| vec![value; count]);
        let up_to = |tensor, end: u32| {
            let numbers = |count| (0..end.max(1)).cycle().take(count).collect();
            has(tensor).map(numbers)
        };
        let even = |tensor, rows| has(tensor).map(|count| starts(count, rows));
        Self {
            q: values(count(problem, Tensor::Q)),
            k: values(count(problem, Tensor::K)),
            v: values(count(problem, Tensor::V)),
            table: has(Tensor::Table).map(|_| table(problem)),
            gate: floats(Tensor::Gate),
            bias: floats(Tensor::Bias),
            indices: up_to(Tensor::Indices, index_rows(problem)),
            key_mask: has(Tensor::KeyMask).map(|count| vec![1; count]),
            key_lengths: all(Tensor::KeyLengths, k_len),
            query_lengths: all(Tensor::QueryLengths, q_len),
            query_documents: all(Tensor::QueryDocuments, 0),
            key_documents: all(Tensor::KeyDocuments, 0),
            mask_bits: all(Tensor::MaskBits, u32::MAX),
            query_starts: even(Tensor::QueryStarts, q_len),
            key_starts: even(Tensor::KeyStarts, k_len),
            block_table: up_to(
                Tensor::BlockTable,
                problem.paged().map_or(1, |paged| paged.blocks),
            ),
        }
    }

    pub(super) fn inputs(&self) -> Inputs<'_> {
        Inputs {
            table: self.table.as_deref(),
            gate: self.gate.as_deref(),
            bias: self.bias.as_deref(),
            indices: self.indices.as_deref(),
            key_mask: self.key_mask.as_deref(),
            key_lengths: self.key_lengths.as_deref(),
            query_lengths: self.query_lengths.as_deref(),
            query_documents: self.query_documents.as_deref(),
            key_documents: self.key_documents.as_deref(),
            mask_bits: self.mask_bits.as_deref(),
            query_starts: self.query_starts.as_deref(),
            key_starts: self.key_starts.as_deref(),
            block_table: self.block_table.as_deref(),
            ..Inputs::new(&self.q, &self.k, &self.v)
        }
    }
}

pub(super) fn count(problem: &Problem, tensor: Tensor) -> usize {
    usize::try_from(problem.elements(tensor)).unwrap_or(usize::MAX)
}

/// Numbers between −1 and 1, the fractional parts of multiples of the golden ratio: no two neighbours are alike.
pub(super) fn values(count: usize) -> Vec<f32> {
    const GOLDEN: u32 = 0x9e37_79b9;
    #[expect(clippy::cast_precision_loss, reason = "rounding is harmless")]
    let value = |n: u32| n.wrapping_mul(GOLDEN) as i32 as f32 / 2_f32.powi(31);
    (0_u32..).cycle().take(count).map(value).collect()
}

/// The parameters of each bias, one behind the other; positive where a family needs it.
fn table(problem: &Problem) -> Vec<f32> {
    let heads = problem.shape().heads as usize;
    let of = |bias: Bias| {
        let numbers = values(bias.table_rows().unwrap_or(0) as usize * heads);
        let positive = matches!(bias, Bias::Alibi | Bias::Kerple(_) | Bias::Fire { .. });
        let scale = move |x: f32| if positive { 0.5 + 0.4 * x } else { x };
        numbers.into_iter().map(scale)
    };
    problem.biases().flat_map(of).collect()
}

fn index_rows(problem: &Problem) -> u32 {
    let indexed = problem.indexed();
    indexed.map_or(1, |indexed| indexed.rows.min(indexed.format.most()))
}

/// Starts of sequences of about one length, and the end.
fn starts(count: usize, rows: u32) -> Vec<u32> {
    let sequences = (count as u64 - 1).max(1);
    (0..count as u64)
        .map(|n| u32::try_from(n * u64::from(rows) / sequences).unwrap_or(rows))
        .collect()
}
