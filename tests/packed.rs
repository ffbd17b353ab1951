//! A packed batch: each sequence as if it were alone, and nothing outside whatever the starts are.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::shared;
use harness::compare::Reference;
use harness::data::Data;
use harness::device::{POISON, bits, run, run_once};
use relattn::cpu::Outputs;
use relattn::{
    Bias, Context, Layout, Mask, Packed, Problem, ProblemBuilder, RelativeBuckets, Shape, Tensor,
    Window,
};

const D: usize = 8;
const HEADS: [u32; 2] = [4, 2];
/// Sequences of a row and of several tiles, with more queries than keys and fewer, without queries, without keys, and without
/// either.
const QUERIES: [u32; 9] = [0, 40, 41, 41, 60, 60, 200, 217, 280];
const KEYS: [u32; 9] = [0, 25, 70, 75, 75, 75, 150, 290, 300];

/// A family and the mask that it goes with.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    bias: Bias,
    mask: Mask,
    query_offset: i32,
}

fn kinds() -> [Kind; 4] {
    let window = Mask {
        window: Some(Window { left: 30, right: 7 }),
        ..Mask::NONE
    };
    [
        (
            "T5",
            Bias::Relative(RelativeBuckets::t5_encoder()),
            Mask::NONE,
            0,
        ),
        (
            "T5, causal",
            Bias::Relative(RelativeBuckets::t5_decoder()),
            Mask::CAUSAL,
            5,
        ),
        ("FIRE, causal", Bias::Fire { width: 8 }, Mask::CAUSAL, 0),
        ("ALiBi, window", Bias::Alibi, window, -3),
    ]
    .map(|(name, bias, mask, query_offset)| Kind {
        name,
        bias,
        mask,
        query_offset,
    })
}

impl Kind {
    /// Of packed sequences, or of a single one in its own tensors.
    fn problem(&self, lengths: [u32; 2], sequences: Option<u32>) -> Problem {
        let built = self.builder(lengths, sequences).build();
        built.expect("a valid problem")
    }

    fn builder(&self, [q_len, k_len]: [u32; 2], sequences: Option<u32>) -> ProblemBuilder {
        let shape = Shape {
            batch: 1,
            heads: HEADS[0],
            kv_heads: HEADS[1],
            q_len,
            k_len,
            head_dim: 8,
        };
        let mask = Mask {
            packed: sequences.map(|sequences| Packed { sequences }),
            ..self.mask
        };
        let builder = Problem::builder(shape).bias(self.bias).mask(mask);
        builder.query_offset(self.query_offset)
    }

    /// The packed problem with gaps behind the rows of each head, where a row too many would lie.
    fn with_gaps(&self) -> Problem {
        let head = 290 * 8;
        let gaps = Layout {
            batch: 4 * head,
            head,
            row: 8,
        };
        let builder = self.builder([280, 300], Some(8));
        let builder = builder.layout(Tensor::Out, gaps).expect("a layout");
        builder.build().expect("a valid problem")
    }

    fn packed(&self) -> (Problem, Data) {
        let problem = self.problem([280, 300], Some(8));
        let mut data = Data::generate(&problem, 9);
        data.query_starts = Some(QUERIES.to_vec());
        data.key_starts = Some(KEYS.to_vec());
        (problem, data)
    }
}

/// Rows of each head, which has `all` of them.
fn rows(values: &[f32], all: u32, bounds: [u32; 2], features: usize) -> Vec<f32> {
    let [begin, end] = bounds.map(|row| row as usize * features);
    let heads = values.chunks_exact(all as usize * features);
    heads
        .flat_map(|head| head[begin..end].iter().copied())
        .collect()
}

/// One sequence in its own tensors.
fn alone(data: &Data, queries: [u32; 2], keys: [u32; 2]) -> Data {
    Data {
        q: rows(&data.q, 280, queries, D),
        k: rows(&data.k, 300, keys, D),
        v: rows(&data.v, 300, keys, D),
        table: data.table.clone(),
        ..Data::default()
    }
}

#[test]
fn each_sequence_is_as_if_it_were_alone() {
    for (adapter, context) in shared().iter() {
        for kind in kinds() {
            let (problem, data) = kind.packed();
            let forward = context.forward(&problem).expect("a kernel");
            let found = run(context, &forward, &problem, &data).expect("a result");
            for s in 0..8 {
                let queries = [QUERIES[s], QUERIES[s + 1]];
                let own = Outputs {
                    out: rows(&found.out, 280, queries, D),
                    lse: rows(&found.lse, 280, queries, 1),
                };
                let data = alone(&data, queries, [KEYS[s], KEYS[s + 1]]);
                check(context, kind, &data, &own)
                    .unwrap_or_else(|error| panic!("{adapter}: {}: {s}: {error}", kind.name));
            }
        }
    }
}

/// Within the bound of the sequence's own problem, and to the bit where the same kernel has it alone.
fn check(context: &Context, kind: Kind, data: &Data, found: &Outputs) -> Result<(), String> {
    let [q_len, k_len] = [data.q.len() / D / 4, data.k.len() / D / 2]
        .map(|length| u32::try_from(length).expect("a small length"));
    let problem = kind.problem([q_len, k_len], None);
    Reference::new(&problem, &data.inputs()).check(found)?;
    let single = kind.problem([q_len, k_len], Some(1));
    let data = Data {
        query_starts: Some(vec![0, q_len]),
        key_starts: Some(vec![0, k_len]),
        ..data.clone()
    };
    let forward = context
        .forward(&single)
        .map_err(|error| error.to_string())?;
    let alone = run(context, &forward, &single, &data)?;
    if bits(&alone.out) != bits(&found.out) || bits(&alone.lse) != bits(&found.lse) {
        return Err("the same kernel gives other bits alone".into());
    }
    Ok(())
}

/// Starts come from device memory, so that nobody checked them: out of range, falling, all at one end.
#[test]
fn starts_that_make_no_sense_write_nothing_outside() {
    let bad: [[u32; 9]; 7] = [
        [u32::MAX; 9],
        [0; 9],
        [0, 40, 281, 290, 4000, 1 << 30, u32::MAX, u32::MAX, u32::MAX],
        [280, 240, 200, 160, 120, 80, 40, 20, 0],
        [0, 200, 10, 260, 20, 270, 5, 1, 280],
        [7, 7, u32::MAX, 0, u32::MAX, 0, 3, 280, 281],
        [100, 120, 130, 131, 150, 151, 152, 153, 154],
    ];
    for (adapter, context) in shared().iter() {
        for kind in [kinds()[1], kinds()[2]] {
            let (problem, (_, mut data)) = (kind.with_gaps(), kind.packed());
            let forward = context.forward(&problem).expect("a kernel");
            for queries in &bad {
                for keys in [&KEYS].into_iter().chain(&bad) {
                    data.query_starts = Some(queries.to_vec());
                    data.key_starts = Some(keys.to_vec());
                    let found = run_once(context, &forward, &problem, &data);
                    let found = found.unwrap_or_else(|error| {
                        panic!("{adapter}: {}: {queries:?}, {keys:?}: {error}", kind.name)
                    });
                    let written = |value: &&f32| value.to_bits() != POISON;
                    let mut written = found.out.iter().filter(written);
                    assert!(
                        written.all(|value| value.is_finite()),
                        "{adapter}: {queries:?}, {keys:?}"
                    );
                }
            }
        }
    }
}
