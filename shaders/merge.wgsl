// Attention over all keys from attention over parts of them.
//   m = max lse[p],  w[p] = exp(lse[p] − m)
//   out = Σ w[p] · out[p] / Σ w[p],  lse = m + ln Σ w[p]
// An invocation computes one feature of one row. A part without keys for the row, whose log-sum-exp is −∞, has no weight.
struct MergeParams {
    parts: u32,
    rows: u32,
    value_dim: u32,
    groups: u32,    // workgroups in x
    empty_lse: f32, // −∞, which WGSL cannot write
}
@group(0) @binding(0) var<uniform> params: MergeParams;
@group(0) @binding(1) var<storage, read> outs: array<f32>;       // [P, rows, Dv]
@group(0) @binding(2) var<storage, read> lses: array<f32>;       // [P, rows]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;  // [rows, Dv]
@group(0) @binding(4) var<storage, read_write> lse: array<f32>;  // [rows]

const LOG2_E = 1.4426950408889634;
const NONE = -3.4e38; // below every log-sum-exp that has a key; finite, so that no difference of two of them is NaN

// The log-sum-exp of a part, or NONE.
fn part_lse(at: u32) -> f32 {
    let bits = bitcast<u32>(lses[at]);
    return select(bitcast<f32>(bits), NONE, bits == 0xff800000u);
}

@compute @workgroup_size(64)
fn merge(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let element = (group.y * params.groups + group.x) * 64u + local;
    if element >= params.rows * params.value_dim {
        return;
    }
    let row = element / params.value_dim;
    let end = row + params.parts * params.rows;
    var maximum = NONE;
    for (var at = row; at < end; at += params.rows) {
        maximum = max(maximum, part_lse(at));
    }
    var total = 0.0;
    var sum = 0.0;
    for (var at = row; at < end; at += params.rows) {
        let part = part_lse(at);
        if part != NONE {
            let weight = exp2((part - maximum) * LOG2_E);
            total += weight;
            sum += weight * outs[(at - row) * params.value_dim + element];
        }
    }
    let empty = total == 0.0;
    out[element] = select(sum / total, 0.0, empty);
    if element % params.value_dim == 0u {
        lse[row] = select(maximum + log(total), params.empty_lse, empty);
    }
}
