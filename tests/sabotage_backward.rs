//! The suite notices errors that are planted in the backward kernels: each is a change of a text that a problem's gradients must refuse.

#![cfg(feature = "gpu")]

mod harness;

use std::cell::Cell;

use harness::adapters::contexts;
use harness::backward::{dout, run};
use harness::catalogue::{Case, catalogue};
use harness::data::Data;
use harness::gradients::GradientReference;
use relattn::Context;

/// What is wrong, the text and what becomes of it, and a case that must refuse it.
type Planted = (&'static str, &'static str, &'static str, &'static str);

const TILES: &str = "several tiles, grouped heads, padding";

/// In kernels that every adapter has.
const SHARED: [Planted; 18] = [
    (
        "delta left out",
        "set_workspace(backward.at_statistics + 2u * at + 1u, delta)",
        "set_workspace(backward.at_statistics + 2u * at + 1u, 0.0)",
        "tile edges",
    ),
    (
        "the scale left out of dq and dk",
        "value * params.scale * LN_2",
        "value * LN_2",
        "tile edges",
    ),
    (
        "only the first query head of a group",
        "    return place.head + params.group_size;",
        "    return place.head + 1u;",
        TILES,
    ),
    (
        "the sums of one sequence alone",
        "first < params.batch * batch_rows",
        "first < batch_rows",
        "one past the tile",
    ),
    (
        "the sums of one workgroup alone",
        "row < first + params.tiles",
        "row < first + min(1u, params.tiles)",
        TILES,
    ),
    (
        "the sums of the last dispatch alone",
        "let goes_on = params.adds != 0u;",
        "let goes_on = params.adds == 7u;",
        "dense and T5, causal",
    ),
    (
        "another head's sums",
        "n % params.heads * params.width",
        "(params.heads - 1u - n % params.heads) * params.width",
        TILES,
    ),
    (
        "sums shifted by one",
        "first + n)",
        "first + max(n, 1u) - 1u)",
        TILES,
    ),
    (
        "i and j swapped in ALiBi's derivative",
        "return -f32(abs(offset));",
        "return f32(abs(offset));",
        "ALiBi",
    ),
    (
        "KERPLE's p and a swapped",
        "if row == 0u {\n        return -log(inside);",
        "if row == 1u {\n        return -log(inside);",
        "KERPLE, logarithmic",
    ),
    (
        "the second matrix of indices left out",
        "for (var m = 0u; m < MATRICES; m++) {\n        let row = table_row",
        "for (var m = 0u; m < 1u; m++) {\n        let row = table_row",
        "three tables by three indices",
    ),
    (
        "FIRE's moments in the first segment",
        "if segment_first != segment_last {\n        segment = segment_of(x);",
        "if segment_first == 77u {\n        segment = segment_of(x);",
        "FIRE",
    ),
    (
        "FIRE's c as if the normalizer had none",
        "- x * reach / (1.0 + c * reach)",
        "- 0.0 * reach",
        "FIRE",
    ),
    (
        "the gate's gradient without the bias",
        "fma(ds, offset_bias(i32(j) - i32(i) - place.shift), row_numbers[r])",
        "ds + row_numbers[r]",
        "gated",
    ),
    (
        "a dense bias overwritten where it is shared",
        "i * s.z + j - backward.dbias_base] += ds",
        "i * s.z + j - backward.dbias_base] = ds",
        "dense, shared by all",
    ),
    (
        "a gap of dq and dk",
        "if d + 3u < HEAD_DIM { gradient[row + d + 3u] = value.w; }",
        "if d + 3u < HEAD_DIM { gradient[row + d + 3u] = value.w; }\n    if row == 0u { gradient[HEAD_DIM] = value.w; }",
        "padded rows",
    ),
    (
        "a gap of the gradient of a dense bias",
        "dbias[row + j] = 0.0;",
        "dbias[row + j] = 0.0;\n            if row == 0u { dbias[params.k_len] = 0.0; }",
        "dense, shared by the batch, padded rows",
    ),
    (
        "kept weights not scaled up",
        "return params.keep_scale;",
        "return 1.0;",
        "dropout",
    ),
];

const BROADCAST: [Planted; 8] = [
    (
        "constant tiles begin too early",
        "return first_offset() >= radius",
        "return first_offset() >= radius / 2",
        "constant tiles on both sides",
    ),
    (
        "where keys own, the constant of the other side",
        "constant_offset = offset_bias(first_offset());\n}",
        "constant_offset = offset_bias(-first_offset());\n}",
        "constant tiles on both sides",
    ),
    (
        "the bias's gradient dropped",
        "add_to_workspace(sums_at + u32(offset + radius), sum)",
        "add_to_workspace(sums_at + u32(offset + radius), 0.0)",
        TILES,
    ),
    (
        "the first tile alone",
        "let sum = pieces(r);",
        "let sum = select(vec2(0.0), pieces(r), place.k_first == key_begin());",
        TILES,
    ),
    (
        "blocks not carried on",
        "carried[r] = last + before + sum.y;",
        "carried[r] = before + sum.y;",
        "tile edges",
    ),
    (
        "far offsets left out",
        "far += select(vec2(0.0, sum), vec2(sum, 0.0), offset < 0);",
        "far += select(vec2(0.0, sum), vec2(0.0), offset < 0);",
        "constant tiles on both sides",
    ),
    (
        "dv without what dropout keeps",
        "weight = select(0.0, weight * keep_scale(), kept);",
        "weight = p;",
        "dropout",
    ),
    (
        "hidden scores count",
        "ds = select(0.0, ds, seen);",
        "ds = select(ds, ds, seen);",
        "decoder",
    ),
];

const FRAGMENTS: [Planted; 6] = [
    (
        "the bias's gradient dropped",
        "add_to_workspace(sums_at + u32(offset + radius), sum)",
        "add_to_workspace(sums_at + u32(offset + radius), 0.0)",
        TILES,
    ),
    (
        "half of a tile alone",
        "fn offset_gradient_part(part: u32, local: u32) {\n    if far_tile {",
        "fn offset_gradient_part(part: u32, local: u32) {\n    if far_tile || part == 1u {",
        TILES,
    ),
    (
        "a row of each diagonal left out",
        "for (var row = 0u; row < OWN; row++) {\n        let slot",
        "for (var row = 1u; row < OWN; row++) {\n        let slot",
        TILES,
    ),
    (
        "constant tiles left out",
        "add_far(select(-1, 1, first >= radius), own_gradients());",
        "add_far(select(-1, 1, first >= radius), 0.0);",
        "constant tiles on both sides",
    ),
    (
        "dv without what dropout keeps",
        "weight = p * kept;",
        "weight = p * keep_scale();",
        "dropout",
    ),
    (
        "hidden scores count",
        "ds = shown(ds, visible[r] >> (4u * half));",
        "ds = shown(ds, 255u);",
        "decoder",
    ),
];

#[test]
fn every_planted_error_is_noticed() {
    let cases = catalogue();
    let mut missed = Vec::new();
    let mut seen = Vec::new();
    for (adapter, context) in contexts() {
        let backward = context.backward(&find(&cases, "tile edges").problem);
        let [queries, _] = backward
            .expect("kernels")
            .variants()
            .map(|variant| *variant);
        let algorithm = queries.scores.algorithm;
        if seen.contains(&algorithm) {
            continue;
        }
        let own = match algorithm {
            relattn::plan::Algorithm::Broadcast => &BROADCAST[..],
            _ => &FRAGMENTS,
        };
        // What the algorithms share is planted once.
        let shared = if seen.is_empty() { &SHARED[..] } else { &[] };
        seen.push(algorithm);
        for &planted in shared.iter().chain(own) {
            if let Err(reason) = plant(&context, &cases, planted) {
                missed.push(format!("{adapter}: {algorithm:?}: {reason}"));
            }
        }
        println!("{adapter}: {algorithm:?}");
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

fn find<'a>(cases: &'a [Case], name: &str) -> &'a Case {
    let mut cases = cases.iter();
    let found = cases.find(|case| case.name == name);
    found.unwrap_or_else(|| panic!("no case {name:?}"))
}

/// Whether some kernel of the case has the text, and the case refuses the error.
#[expect(
    unsafe_code,
    reason = "planted errors keep every index in range and every loop finite"
)]
fn plant(
    context: &Context,
    cases: &[Case],
    (name, text, wrong, case): Planted,
) -> Result<(), String> {
    let problem = &find(cases, case).problem;
    let planted = Cell::new(false);
    let edit = |kernel: String| {
        planted.set(planted.get() || kernel.contains(text));
        kernel.replace(text, wrong)
    };
    let backward = unsafe { context.backward_with_texts(problem, None, edit) };
    let backward = backward.map_err(|error| error.to_string())?;
    if !planted.get() {
        return Err(format!("{name}: {case:?} has no {text:?}"));
    }
    let (data, dout) = (Data::generate(problem, 7), dout(problem, 17));
    let reference = GradientReference::new(problem, &data.inputs(), &dout);
    let found = run(context, &backward, problem, &data, &dout);
    match found.and_then(|gradients| reference.check(&gradients)) {
        Ok(share) => Err(format!("{name}: {case:?} is right to {share:.2}")),
        Err(_) => Ok(()),
    }
}
