// The tensors, four features at a time, and where in them the workgroup is. Features past the head are 0 where an entry asks
// for any (PADDED). Rows past the end repeat the last, so that no read needs a branch: such keys are hidden, and weigh 0.
@group(0) @binding(1) var<storage, read> q: array<f32>;          // [B, H, Nq, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;          // [B, Hkv, Nk, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;          // [B, Hkv, Nk, D]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;  // [B, H, Nq, D]
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;  // [B, H, Nq], or one element that nobody reads

const LN_2 = 0.6931471805599453;

struct Place {
    batch: u32,
    head: u32,
    q_first: u32, // first query of the tile
    k_first: u32, // first key of the tile
}
var<private> place: Place;

// Where four features from `d` on lie; those past the head repeat its last, so that nothing is read past a row.
fn features(at: u32, d: u32) -> vec4<u32> {
    let four = vec4(d, d + 1u, d + 2u, d + 3u);
    if PADDED {
        return vec4(at) + min(four, vec4(HEAD_DIM - 1u));
    }
    return vec4(at) + four;
}

// Four features from `d` on, of which those past the head are 0.
fn within_head(d: u32, values: vec4<f32>) -> vec4<f32> {
    if PADDED {
        return select(vec4(0.0), values, vec4(d, d + 1u, d + 2u, d + 3u) < vec4(HEAD_DIM));
    }
    return values;
}

// Where a row begins.
fn q_row(i: u32) -> u32 {
    let s = params.q_strides;
    return place.batch * s.x + place.head * s.y + min(i, params.q_len - 1u) * s.z;
}

fn k_row(j: u32) -> u32 {
    let s = params.k_strides;
    return place.batch * s.x + place.head / params.group_size * s.y + min(j, params.k_len - 1u) * s.z;
}

fn v_row(j: u32) -> u32 {
    let s = params.v_strides;
    return place.batch * s.x + place.head / params.group_size * s.y + min(j, params.k_len - 1u) * s.z;
}

fn load_q(row: u32, d: u32) -> vec4<f32> {
    let f = features(row, d);
    return within_head(d, vec4(q[f.x], q[f.y], q[f.z], q[f.w]));
}

fn load_k(row: u32, d: u32) -> vec4<f32> {
    let f = features(row, d);
    return within_head(d, vec4(k[f.x], k[f.y], k[f.z], k[f.w]));
}

fn load_v(row: u32, d: u32) -> vec4<f32> {
    let f = features(row, d);
    return within_head(d, vec4(v[f.x], v[f.y], v[f.z], v[f.w]));
}

fn out_row(i: u32) -> u32 {
    let s = params.out_strides;
    return place.batch * s.x + place.head * s.y + i * s.z;
}

fn write_features(row: u32, d: u32, value: vec4<f32>) {
    if d < HEAD_DIM { out[row + d] = value.x; }
    if d + 1u < HEAD_DIM { out[row + d + 1u] = value.y; }
    if d + 2u < HEAD_DIM { out[row + d + 2u] = value.z; }
    if d + 3u < HEAD_DIM { out[row + d + 3u] = value.w; }
}

// The log-sum-exp of a row from its maximum, in base 2, and its sum.
fn write_lse(i: u32, maximum: f32, total: f32) {
    if params.write_lse != 0u {
        let value = (maximum + log2(total)) * LN_2;
        lse[(place.batch * params.heads + place.head) * params.q_len + i] = select(value, params.empty_lse, total == 0.0);
    }
}
