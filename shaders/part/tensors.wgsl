// Where in the tensors the workgroup is, and their rows, four features at a time through the slot `storage`. Features past the
// head are 0 where an entry asks for any (PADDED, VALUE_PADDED). Rows past the end repeat the last, so that no read needs a
// branch: such keys are hidden, and weigh 0.
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;  // [B, H, Nq], or one element that nobody reads

const LN_2 = 0.6931471805599453;

struct Place {
    batch: u32,
    head: u32,
    q_first: u32, // first query of the tile
    k_first: u32, // first key of the tile
    shift: i32,   // an offset is j − i − shift
}
var<private> place: Place;

// Four features from `d` on, of which those past the head are 0.
fn within(d: u32, values: vec4<f32>, dim: u32, padded: bool) -> vec4<f32> {
    if padded {
        return select(vec4(0.0), values, vec4(d, d + 1u, d + 2u, d + 3u) < vec4(dim));
    }
    return values;
}

// Where a row begins.
fn q_row(i: u32) -> u32 {
    let s = params.q_strides;
    return place.batch * s.x + place.head * s.y + min(i, params.q_len - 1u) * s.z - params.q_base;
}

fn k_row(j: u32) -> u32 {
    return key_row(params.k_strides, min(j, params.k_len - 1u)) - params.k_base;
}

fn v_row(j: u32) -> u32 {
    return key_row(params.v_strides, min(j, params.k_len - 1u)) - params.v_base;
}

fn out_row(i: u32) -> u32 {
    let s = params.out_strides;
    return place.batch * s.x + place.head * s.y + i * s.z - params.out_base;
}

fn load_q(row: u32, d: u32) -> vec4<f32> {
    return within(d, read_q(row, d), HEAD_DIM, PADDED);
}

fn load_k(row: u32, d: u32) -> vec4<f32> {
    return within(d, read_k(row, d), HEAD_DIM, PADDED);
}

fn load_v(row: u32, d: u32) -> vec4<f32> {
    return within(d, read_v(row, d), VALUE_DIM, VALUE_PADDED);
}

// The log-sum-exp of a row from its maximum, in base 2, and its sum.
fn write_lse(i: u32, maximum: f32, total: f32) {
    if i < params.lse_rows {
        let value = (maximum + log2(total)) * LN_2;
        lse[(place.batch * params.heads + place.head) * params.q_len + i] = select(value, params.empty_lse, total == 0.0);
    }
}
