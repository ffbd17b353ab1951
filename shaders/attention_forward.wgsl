// Fused attention: one workgroup computes Q_TILE query rows of one head.
//   for each key tile that the mask leaves:
//       S = scale · Q Kᵀ + bias                 in fragments of ROWS × 4 scores a thread, 32 features at a time
//       m' = max(m, rowmax S), P = exp2(S − m'), l = l · exp2(m − m') + rowsum P
//       O = O · exp2(m − m') + P V              in fragments of ROWS rows × 4 features a thread and chunk
//   out = O / l, lse = (m + log2 l) · ln 2
//
// 1. Threads form a grid of COLUMNS × WORKGROUP / COLUMNS. Thread x of a row owns keys x, x + 8, x + 16 and x + 24 of a
//    tile, and features 4x … 4x + 3 of each chunk.
// 2. Scores carry a factor log2(e), so that every exponential is an exp2.
// 3. 16 KiB serve any head dimension: Q and K are staged a chunk of features at a time, and P then takes the place of Q.
// 4. `sums` is only ever indexed by constants once the loops over rows are unrolled; hence the calls by chunk.
@group(0) @binding(1) var<storage, read> q: array<f32>;          // [B, H, Nq, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;          // [B, Hkv, Nk, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;          // [B, Hkv, Nk, D]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;  // [B, H, Nq, D]
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;  // [B, H, Nq], or one element that nobody reads

const COLUMNS = 8u;
const WORKGROUP = 64u;
const Q_TILE = WORKGROUP / COLUMNS * ROWS;
const K_TILE = 4u * COLUMNS;
const CHUNKS = (HEAD_DIM + 31u) / 32u;    // of 32 features, 8 vec4
const STRIDE = COLUMNS + 1u;              // of a staged row, in vec4; one more, so that rows start in different banks
const HIDES = CAUSAL || KEY_MASK;
const MASKED = -3.4e38;                   // below every score; finite, so that no difference of two of them is NaN
const LN_2 = 0.6931471805599453;

var<workgroup> rows_tile: array<vec4<f32>, Q_TILE * STRIDE>;  // a chunk of Q, then P
var<workgroup> keys_tile: array<vec4<f32>, K_TILE * STRIDE>;  // a chunk of K, then of V
var<workgroup> partial: array<f32, Q_TILE * COLUMNS>;         // a number of each thread for each of its rows
var<workgroup> key_visible: array<u32, K_TILE>;

struct Place {
    batch: u32,
    head: u32,
    q_first: u32, // first query of the tile
    k_first: u32, // first key of the tile
    x: u32,       // column of this thread in the grid
    y: u32,       // row of this thread in the grid
}
var<private> place: Place;
var<private> score: array<vec4<f32>, ROWS>;
var<private> maximum: array<f32, ROWS>;
var<private> sum: array<f32, ROWS>;
var<private> sums: array<array<vec4<f32>, ROWS>, CHUNKS>;

// Where four features from `d` on lie; those past the head repeat its last, so that nothing is read past a row.
fn features(d: u32) -> vec4<u32> {
    return min(vec4(d, d + 1u, d + 2u, d + 3u), vec4(HEAD_DIM - 1u));
}

// Four features from `d` on, of which those past the head are 0.
fn tail(d: u32, values: vec4<f32>) -> vec4<f32> {
    return select(vec4(0.0), values, vec4(d, d + 1u, d + 2u, d + 3u) < vec4(HEAD_DIM));
}

fn load_q(i: u32, d: u32) -> vec4<f32> {
    if i >= params.q_len || d >= HEAD_DIM {
        return vec4(0.0);
    }
    let s = params.q_strides;
    let at = place.batch * s.x + place.head * s.y + i * s.z;
    let f = vec4(at) + features(d);
    return tail(d, vec4(q[f.x], q[f.y], q[f.z], q[f.w]));
}

fn load_k(j: u32, d: u32) -> vec4<f32> {
    if j >= params.k_len || d >= HEAD_DIM {
        return vec4(0.0);
    }
    let s = params.k_strides;
    let at = place.batch * s.x + place.head / params.group_size * s.y + j * s.z;
    let f = vec4(at) + features(d);
    return tail(d, vec4(k[f.x], k[f.y], k[f.z], k[f.w]));
}

fn load_v(j: u32, d: u32) -> vec4<f32> {
    if j >= params.k_len || d >= HEAD_DIM {
        return vec4(0.0);
    }
    let s = params.v_strides;
    let at = place.batch * s.x + place.head / params.group_size * s.y + j * s.z;
    let f = vec4(at) + features(d);
    return tail(d, vec4(v[f.x], v[f.y], v[f.z], v[f.w]));
}

// The number of keys that the last row of the tile may see.
fn key_end() -> u32 {
    if CAUSAL {
        let last = i32(min(place.q_first + Q_TILE, params.q_len)) + params.query_offset;
        return min(u32(max(last, 0)), params.k_len);
    }
    return params.k_len;
}

// Whether a row of the tile may not see every key of it, for the mask or because there are fewer.
fn tile_hides() -> bool {
    let last = place.k_first + K_TILE - 1u;
    let after = CAUSAL && i32(last) > i32(place.q_first) + params.query_offset;
    return KEY_MASK || after || last >= params.k_len;
}

fn stage_scores(chunk: u32) {
    let d = 4u * (chunk * COLUMNS + place.x);
    for (var row = place.y; row < Q_TILE; row += WORKGROUP / COLUMNS) {
        rows_tile[row * STRIDE + place.x] = load_q(place.q_first + row, d);
    }
    for (var row = place.y; row < K_TILE; row += WORKGROUP / COLUMNS) {
        keys_tile[row * STRIDE + place.x] = load_k(place.k_first + row, d);
    }
}

fn stage_values(chunk: u32) {
    let d = 4u * (chunk * COLUMNS + place.x);
    for (var row = place.y; row < K_TILE; row += WORKGROUP / COLUMNS) {
        keys_tile[row * STRIDE + place.x] = load_v(place.k_first + row, d);
    }
}

// score += Q Kᵀ over a chunk of features.
fn add_scores() {
    for (var c = 0u; c < COLUMNS; c++) {
        let keys = mat4x4<f32>(
            keys_tile[place.x * STRIDE + c],
            keys_tile[(place.x + COLUMNS) * STRIDE + c],
            keys_tile[(place.x + 2u * COLUMNS) * STRIDE + c],
            keys_tile[(place.x + 3u * COLUMNS) * STRIDE + c]);
        for (var r = 0u; r < ROWS; r++) {
            score[r] += rows_tile[(place.y * ROWS + r) * STRIDE + c] * keys;
        }
    }
}

fn masked(score: f32, i: u32, slot: u32) -> f32 {
    let after = CAUSAL && i32(place.k_first + slot) > i32(i) + params.query_offset;
    return select(score, MASKED, after || key_visible[slot] == 0u);
}

// Scales the scores, adds the bias, hides what is hidden, and leaves the maximum of each row's fragment in `partial`.
fn finish_scores(hides: bool) {
    for (var r = 0u; r < ROWS; r++) {
        let row = place.y * ROWS + r;
        let i = place.q_first + row;
        let x = place.x;
        var s = score[r] * params.scale + bias_of(row, x);
        if hides {
            s = vec4(
                masked(s.x, i, x), masked(s.y, i, x + COLUMNS),
                masked(s.z, i, x + 2u * COLUMNS), masked(s.w, i, x + 3u * COLUMNS));
        }
        score[r] = s;
        partial[row * COLUMNS + x] = max(max(s.x, s.y), max(s.z, s.w));
    }
}

// The exponentials; compared as bits, because a score that is not a number must not pass for a hidden one.
fn weights(score: vec4<f32>, maximum: f32) -> vec4<f32> {
    return select(vec4(0.0), exp2(score - vec4(maximum)), bitcast<vec4<u32>>(score) != vec4(bitcast<u32>(MASKED)));
}

// Moves each row to its new maximum, and leaves P in `rows_tile`: element x holds keys x, x + 8, x + 16 and x + 24.
fn update_softmax() {
    for (var r = 0u; r < ROWS; r++) {
        let row = place.y * ROWS + r;
        var top = maximum[r];
        for (var c = 0u; c < COLUMNS; c++) {
            top = max(top, partial[row * COLUMNS + c]);
        }
        let correction = exp2(maximum[r] - top);
        let p = weights(score[r], top);
        maximum[r] = top;
        sum[r] = sum[r] * correction + (p.x + p.y + p.z + p.w);
        for (var chunk = 0u; chunk < CHUNKS; chunk++) {
            sums[chunk][r] *= correction;
        }
        rows_tile[row * STRIDE + place.x] = p;
    }
}

// values · p without the keys of weight 0, so that an infinity behind the mask stays there.
fn visible_product(values: mat4x4<f32>, p: vec4<f32>) -> vec4<f32> {
    return select(vec4(0.0), values[0] * p.x, p.x != 0.0) + select(vec4(0.0), values[1] * p.y, p.y != 0.0)
        + select(vec4(0.0), values[2] * p.z, p.z != 0.0) + select(vec4(0.0), values[3] * p.w, p.w != 0.0);
}

// sums += P V over a chunk of features.
fn add_values(chunk: u32, hides: bool) {
    workgroupBarrier();
    stage_values(chunk);
    workgroupBarrier();
    for (var c = 0u; c < COLUMNS; c++) {
        let values = mat4x4<f32>(
            keys_tile[c * STRIDE + place.x],
            keys_tile[(c + COLUMNS) * STRIDE + place.x],
            keys_tile[(c + 2u * COLUMNS) * STRIDE + place.x],
            keys_tile[(c + 3u * COLUMNS) * STRIDE + place.x]);
        for (var r = 0u; r < ROWS; r++) {
            let p = rows_tile[(place.y * ROWS + r) * STRIDE + c];
            if HIDES && hides {
                sums[chunk][r] += visible_product(values, p);
            } else {
                sums[chunk][r] += values * p;
            }
        }
    }
}

fn write_row(r: u32, total: f32) {
    let i = place.q_first + place.y * ROWS + r;
    let s = params.out_strides;
    let first = place.batch * s.x + place.head * s.y + i * s.z;
    let empty = total == 0.0;
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        let value = select(sums[chunk][r] / total, vec4(0.0), empty);
        let d = 4u * (chunk * COLUMNS + place.x);
        if d < HEAD_DIM { out[first + d] = value.x; }
        if d + 1u < HEAD_DIM { out[first + d + 1u] = value.y; }
        if d + 2u < HEAD_DIM { out[first + d + 2u] = value.z; }
        if d + 3u < HEAD_DIM { out[first + d + 3u] = value.w; }
    }
    if place.x == 0u && params.write_lse != 0u {
        let value = (maximum[r] + log2(total)) * LN_2;
        lse[(place.batch * params.heads + place.head) * params.q_len + i] = select(value, params.empty_lse, empty);
    }
}

@compute @workgroup_size(WORKGROUP)
fn attention_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    place = Place(group.z, group.y, group.x * Q_TILE, 0u, local % COLUMNS, local / COLUMNS);
    for (var r = 0u; r < ROWS; r++) {
        maximum[r] = MASKED;
    }

    let end = key_end();
    for (var k_first = 0u; k_first < end; k_first += K_TILE) {
        place.k_first = k_first;
        let hides = tile_hides();
        for (var r = 0u; r < ROWS; r++) {
            score[r] = vec4(0.0);
        }
        for (var chunk = 0u; chunk < CHUNKS; chunk++) {
            workgroupBarrier();
            stage_scores(chunk);
            if chunk == 0u {
                bias_prepare(local);
                if local < K_TILE {
                    key_visible[local] = visible_key(k_first + local);
                }
            }
            workgroupBarrier();
            add_scores();
        }
        finish_scores(hides);
        workgroupBarrier();
        update_softmax();
        add_values(0u, hides);
        if CHUNKS > 1u { add_values(1u, hides); }
        if CHUNKS > 2u { add_values(2u, hides); }
        if CHUNKS > 3u { add_values(3u, hides); }
        if CHUNKS > 4u { add_values(4u, hides); }
        if CHUNKS > 5u { add_values(5u, hides); }
        if CHUNKS > 6u { add_values(6u, hides); }
        if CHUNKS > 7u { add_values(7u, hides); }
    }

    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
        partial[(place.y * ROWS + r) * COLUMNS + place.x] = sum[r];
    }
    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
        let row = place.y * ROWS + r;
        var total = 0.0;
        for (var c = 0u; c < COLUMNS; c++) {
            total += partial[row * COLUMNS + c];
        }
        if place.q_first + row < params.q_len {
            write_row(r, total);
        }
    }
}
