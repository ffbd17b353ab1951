//! The suite notices planted errors: each is a change of the shader's text that some case of the catalogue must refuse.

#![cfg(feature = "gpu")]

mod harness;

use harness::adapters::contexts;
use harness::catalogue::{Case, Data, catalogue};
use harness::compare::Reference;
use relattn::{Context, shader};

/// The name of an error, the text that it replaces, and what it puts there.
const ERRORS: [(&str, &str, &str); 21] = [
    ("bias dropped", "bias_of(row, x);", "vec4(0.0);"),
    (
        "bias shifted by one",
        "let diagonal = Q_TILE - 1u",
        "let diagonal = Q_TILE",
    ),
    (
        "i and j swapped",
        "let diagonal = Q_TILE - 1u - row + x;",
        "let diagonal = K_TILE - 1u + row - x - 3u * COLUMNS;",
    ),
    (
        "bias on the first key tile only",
        "bias_of(row, x);",
        "select(vec4(0.0), bias_of(row, x), place.k_first == 0u);",
    ),
    (
        "bias on half a tile only",
        "bias_of(row, x);",
        "select(vec4(0.0), bias_of(row, x), x < HALF);",
    ),
    (
        "bias on the first query tile only",
        "bias_of(row, x);",
        "select(vec4(0.0), bias_of(row, x), place.q_first == 0u);",
    ),
    (
        "bias of head 0",
        "let row = place.head * (",
        "let row = 0u * (",
    ),
    (
        "constant tiles begin too early",
        "constant_tile = first_offset >= radius",
        "constant_tile = first_offset >= radius / 2",
    ),
    (
        "query offset ignored by the bias",
        "- i32(place.q_first + Q_TILE - 1u) - params.query_offset;",
        "- i32(place.q_first + Q_TILE - 1u);",
    ),
    (
        "scale applied to the bias",
        "params.scale + bias_of",
        "params.scale + params.scale * bias_of",
    ),
    (
        "output not rescaled",
        "sums[n * ROWS + r][f] *= correction;",
        "",
    ),
    ("sum not rescaled", "sum[r] * correction", "sum[r]"),
    (
        "last key dropped",
        "return select(0u, 1u, j < params.k_len);",
        "return select(0u, 1u, j + 1u < params.k_len);",
    ),
    (
        "second half of a tile dropped",
        "add_half(1u, hides, local);",
        "",
    ),
    (
        "full tiles are never masked",
        "return KEY_MASK || after || last >= params.k_len;",
        "return last >= params.k_len;",
    ),
    (
        "causal by one",
        "> i32(i) + params.query_offset;",
        ">= i32(i) + params.query_offset;",
    ),
    (
        "causal without offset",
        "> i32(i) + params.query_offset;",
        "> i32(i);",
    ),
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
        "index matrix transposed",
        "table_row(i * params.k_len + j)",
        "table_row(j * params.q_len + i)",
    ),
    (
        "log-sum-exp in base 2",
        "(maximum[r] + log2(total)) * LN_2",
        "(maximum[r] + log2(total))",
    ),
];

#[test]
fn every_planted_error_is_noticed() {
    let cases: Vec<_> = catalogue()
        .into_iter()
        .filter(|case| case.problem.shape().head_dim <= 64)
        .map(|case| {
            let data = Data::generate(&case.problem, 7);
            let reference = Reference::new(&case.problem, &data.inputs());
            (case, data, reference)
        })
        .collect();
    let (adapter, context) = contexts().swap_remove(0);
    for (name, from, to) in ERRORS {
        let mut planted = 0;
        let noticed = cases.iter().find(|(case, data, reference)| {
            let Some(found) = run_with(&context, case, data, from, to) else {
                return false;
            };
            planted += 1;
            found.and_then(|outputs| reference.check(&outputs)).is_err()
        });
        assert!(planted > 0, "{name}: no shader has {from:?}");
        let (case, ..) = noticed.unwrap_or_else(|| panic!("{adapter}: {name} was not noticed"));
        println!("{name}: noticed by {:?}", case.name);
    }
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
    let forward = context
        .forward_with_text(&case.problem, &text)
        .expect("a kernel");
    Some(harness::device::run(context, &forward, &case.problem, data))
}
