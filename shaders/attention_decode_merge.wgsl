// Attention over all keys from its parts, written where the output has it.
//   m = max part_lse[s],  w[s] = exp(part_lse[s] − m)
//   out = Σ w[s] · part_out[s] / Σ w[s],  lse = m + ln Σ w[s]
// An invocation computes four features of one row. A part without keys for the row, whose log-sum-exp is −∞, has no weight.
@group(0) @binding(19) var<storage, read> part_out: array<f32>; // [S, sequences, heads, rows, Dv] of the dispatch
@group(0) @binding(20) var<storage, read> part_lse: array<f32>; // [S, sequences, heads, rows]

const HEAD_DIM = VALUE_DIM;
const VECTORS = (VALUE_DIM + 3u) / 4u;
const PADDED = false;
const VALUE_PADDED = VALUE_DIM % 4u != 0u;
const LOG2_E = 1.4426950408889634;
const NONE = -3.4e38; // below every log-sum-exp that has a key; finite, so that no difference of two of them is NaN

var<private> part_stride: u32; // rows of a part
var<private> own_row: u32;     // that of the invocation, in a part

// The log-sum-exp of a part, or NONE.
fn lse_of(row: u32) -> f32 {
    let bits = bitcast<u32>(part_lse[row]);
    return select(bitcast<f32>(bits), NONE, bits == 0xff800000u);
}

fn four(at: u32, d: u32) -> vec4<f32> {
    let f = min(vec4(d, d + 1u, d + 2u, d + 3u), vec4(VALUE_DIM - 1u));
    return vec4(part_out[at + f.x], part_out[at + f.y], part_out[at + f.z], part_out[at + f.w]);
}

@compute @workgroup_size(64)
fn attention_decode_merge(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
    let i = params.first.x / params.splits * params.q_tile + id.x / VECTORS;
    if i >= params.first.w {
        return;
    }
    part_stride = count.z * count.y * params.part_rows;
    own_row = (id.z * count.y + id.y) * params.part_rows + id.x / VECTORS;
    let d = 4u * (id.x % VECTORS);
    place = Place(id.z + params.first.z, id.y + params.first.y, 0u, 0u, 0);
    let end = own_row + params.parts * part_stride;
    var maximum = NONE;
    for (var row = own_row; row < end; row += part_stride) {
        maximum = max(maximum, lse_of(row));
    }
    var total = 0.0;
    var value = vec4(0.0);
    for (var row = own_row; row < end; row += part_stride) {
        let part = lse_of(row);
        if part != NONE {
            let weight = exp2((part - maximum) * LOG2_E);
            total += weight;
            value += weight * four(row * VALUE_DIM, d);
        }
    }
    write_features(out_row(i), d, select(value / total, vec4(0.0), total == 0.0));
    if d == 0u {
        write_lse(i, maximum * LOG2_E, total);
    }
}
