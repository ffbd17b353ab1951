//! The suite notices planted errors: each is a change of the shader's text that some case of the catalogue must refuse.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::catalogue::{Case, catalogue};
use harness::compare::Reference;
use harness::data::Data;
use relattn::plan::Algorithm;
use relattn::{Context, shader};

/// The name of an error, the text that it replaces, and what it puts there.
type Planted = (&'static str, &'static str, &'static str);

/// Errors in the parts that all kernels share.
const SHARED: [Planted; 23] = [
    (
        "constant tiles begin too early",
        "constant_tile = first_offset >= radius",
        "constant_tile = first_offset >= radius / 2",
    ),
    (
        "query offset ignored by the bias",
        "- params.query_offset;\n    let last_offset = first_offset",
        ";\n    let last_offset = first_offset",
    ),
    (
        "full tiles are never masked",
        "return KEY_MASK || PAIR_MASK || rows || hidden_offset(first_offset) || hidden_offset(last_offset) || last",
        "return last",
    ),
    (
        "causal by one",
        "CAUSAL && offset > 0;",
        "CAUSAL && offset >= 0;",
    ),
    (
        "causal without offset",
        "hidden_offset(i32(j) - i32(i) - params.query_offset)",
        "hidden_offset(i32(j) - i32(i))",
    ),
    (
        "window one short",
        "offset < -params.window_left",
        "offset <= -params.window_left",
    ),
    (
        "window begins a tile late",
        "/ K_TILE * K_TILE;",
        "/ K_TILE * K_TILE + K_TILE;",
    ),
    (
        "window ends a key early",
        "params.query_offset + reach;",
        "params.query_offset + reach - 1;",
    ),
    (
        "key length of sequence 0",
        "key_lengths[place.batch]",
        "key_lengths[0]",
    ),
    (
        "query length of sequence 0",
        "query_lengths[place.batch]",
        "query_lengths[0]",
    ),
    (
        "documents of sequence 0",
        "place.batch * params.k_len + min(j,",
        "min(j,",
    ),
    ("bits reversed", ">> (key % 32u)", ">> (31u - key % 32u)"),
    (
        "bits of head 0",
        "place.head * s.y + min(i, params.q_len - 1u) * s.z;\n    let key",
        "min(i, params.q_len - 1u) * s.z;\n    let key",
    ),
    (
        "tiles with bits are not masked",
        "KEY_MASK || PAIR_MASK || rows",
        "KEY_MASK || rows",
    ),
    (
        "dense bias of head 0",
        "place.head * s.y + i * s.z + j;",
        "i * s.z + j;",
    ),
    ("halves of a word swapped", "at % 2u == 1u", "at % 2u == 0u"),
    ("bf16 taken for f16", "if BF16 {", "if !BF16 {"),
    (
        "wrong key/value head",
        "place.head / params.group_size",
        "place.head % (params.heads / params.group_size)",
    ),
    (
        "key mask of sequence 0",
        "let at = place.batch * params.k_len + j;",
        "let at = j;",
    ),
    (
        "log-sum-exp in base 2",
        "(maximum + log2(total)) * LN_2",
        "(maximum + log2(total))",
    ),
    (
        "last key dropped",
        "return select(0u, 1u, j < key_count());",
        "return select(0u, 1u, j + 1u < key_count());",
    ),
    (
        "index matrix transposed",
        "var at = i * params.k_len + j;",
        "var at = j * params.q_len + i;",
    ),
    (
        "bias of head 0",
        "let row = place.head * (",
        "let row = 0u * (",
    ),
];

const FRAGMENTS: [Planted; 10] = [
    ("bias dropped", "params.scale + bias;", "params.scale;"),
    (
        "bias shifted by one",
        "strip[Q_TILE - 1u - row + slot]",
        "strip[Q_TILE - row + slot]",
    ),
    (
        "i and j swapped",
        "strip[Q_TILE - 1u - row + slot]",
        "strip[K_TILE - 1u + row - slot]",
    ),
    (
        "bias on the first key tile only",
        "params.scale + bias;",
        "params.scale + select(vec4(0.0), bias, place.k_first == 0u);",
    ),
    (
        "bias on half a tile only",
        "params.scale + bias;",
        "params.scale + select(vec4(0.0), bias, x < HALF);",
    ),
    (
        "bias on the first query tile only",
        "params.scale + bias;",
        "params.scale + select(vec4(0.0), bias, place.q_first == 0u);",
    ),
    (
        "scale applied to the bias",
        "params.scale + bias;",
        "params.scale + params.scale * bias;",
    ),
    (
        "output not rescaled",
        "sums[n * ROWS + r][f] *= correction;",
        "",
    ),
    ("sum not rescaled", "sum[r] * correction", "sum[r]"),
    (
        "second half of a tile dropped",
        "add_half(1u, hides, local);",
        "",
    ),
];

const BROADCAST: [Planted; 11] = [
    (
        "bias dropped",
        "params.scale, bias_of(row, e))",
        "params.scale, 0.0)",
    ),
    (
        "constant bias dropped",
        "params.scale, constant_bias)",
        "params.scale, 0.0)",
    ),
    (
        "bias shifted by one",
        "offset_bias(i32(place.k_first + slot)",
        "offset_bias(1 + i32(place.k_first + slot)",
    ),
    (
        "i and j swapped",
        "return offset_bias(i32(",
        "return offset_bias(-i32(",
    ),
    (
        "bias on the first key tile only",
        "bias_of(row, e))",
        "select(0.0, bias_of(row, e), place.k_first == 0u))",
    ),
    (
        "bias on the first query tile only",
        "bias_of(row, e))",
        "select(0.0, bias_of(row, e), place.q_first == 0u))",
    ),
    (
        "scale applied to the bias",
        "bias_of(row, e))",
        "params.scale * bias_of(row, e))",
    ),
    ("output not rescaled", "sums[b][c][r] *= correction;", ""),
    ("sum not rescaled", "sum[r] * correction", "sum[r]"),
    (
        "every key is the first",
        "let y = subgroupShuffle(key, e);",
        "let y = subgroupShuffle(key, 0u);",
    ),
    (
        "every value is the first",
        "let y = subgroupShuffle(value, e);",
        "let y = subgroupShuffle(value, 0u);",
    ),
];

/// Cases that notice them all; the others would only be compiled in vain before one of these does.
const ENOUGH: [&str; 16] = [
    "one of everything",
    "constant tiles on both sides",
    "constant tiles, query offset",
    "decoder past saturation",
    "rows without keys",
    "indices in words",
    "indices in bytes",
    "dense, for each head",
    "window",
    "window into the first key of a tile",
    "key lengths",
    "query lengths",
    "documents, causal, no bias",
    "bits for each head",
    "padded rows",
    "f16, dense",
];

#[test]
fn every_planted_error_is_noticed() {
    let cases: Vec<_> = catalogue()
        .into_iter()
        .filter(|case| ENOUGH.contains(&case.name))
        .map(|case| {
            let data = Data::generate(&case.problem, 7);
            let reference = Reference::new(&case.problem, &data.inputs());
            (case, data, reference)
        })
        .collect();
    let mut seen = Vec::new();
    for (adapter, context) in contexts() {
        let forward = context.forward(&cases[0].0.problem).expect("a kernel");
        let algorithm = forward.variant().algorithm;
        if seen.contains(&algorithm) {
            continue;
        }
        seen.push(algorithm);
        let own = match algorithm {
            Algorithm::Broadcast => &BROADCAST[..],
            _ => &FRAGMENTS[..],
        };
        for &planted in SHARED.iter().chain(own) {
            plant(&adapter, &context, &cases, planted);
        }
    }
}

/// Panics unless a case refuses the error.
fn plant(
    adapter: &str,
    context: &Context,
    cases: &[(Case, Data, Reference)],
    (name, from, to): Planted,
) {
    let mut planted = 0;
    let noticed = cases.iter().find(|(case, data, reference)| {
        let Some(found) = run_with(context, case, data, from, to) else {
            return false;
        };
        planted += 1;
        found.and_then(|outputs| reference.check(&outputs)).is_err()
    });
    assert!(planted > 0, "{adapter}: {name}: no shader has {from:?}");
    let (case, ..) = noticed.unwrap_or_else(|| panic!("{adapter}: {name} was not noticed"));
    println!("{adapter}: {name}: noticed by {:?}", case.name);
}

/// The result with an error planted, or nothing where the text is not part of the case's shader.
fn run_with(
    context: &Context,
    case: &Case,
    data: &Data,
    from: &str,
    to: &str,
) -> Option<Result<relattn::cpu::Outputs, String>> {
    let variant = *context.forward(&case.problem).expect("a kernel").variant();
    let text = shader::link(&variant);
    if !text.contains(from) {
        return None;
    }
    let text = text.replace(from, to);
    #[expect(
        unsafe_code,
        reason = "planted errors take a wrong number or a wrong place within a tensor, never one outside"
    )]
    let forward = unsafe { context.forward_with_text(&case.problem, &text) };
    let forward = forward.expect("a kernel");
    Some(harness::device::run(context, &forward, &case.problem, data))
}
