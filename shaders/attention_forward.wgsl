// Fused attention: one workgroup computes Q_TILE query rows of one head.
//   for each key tile that the mask leaves:
//       S = scale · Q Kᵀ + bias                 in fragments of ROWS × 8 scores a thread, 16 features at a time
//       m' = max(m, rowmax S), P = exp2(S − m'), l = l · exp2(m − m') + rowsum P
//       O = O · exp2(m − m') + P V              in fragments of ROWS rows × 4 or 8 features a thread
//   out = O / l, lse = (m + log2 l) · ln 2
//
// 1. Threads form a grid of COLUMNS × WORKGROUP / COLUMNS. In half h of a tile, thread x of a row owns keys x, x + 8, x + 16
//    and x + 24, so that neighbours read neighbouring keys; of each chunk of 32 features it owns 4x … 4x + 3.
// 2. Scores carry a factor log2(e), so that every exponential is an exp2.
// 3. 16 KiB serve any head dimension: `tile` holds a few features of Q and K, then half of P and a few keys of V.
// 4. `sums` is only ever indexed by constants once the loops over rows are unrolled; hence the calls by pass.
@group(0) @binding(1) var<storage, read> q: array<f32>;          // [B, H, Nq, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;          // [B, Hkv, Nk, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;          // [B, Hkv, Nk, D]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;  // [B, H, Nq, D]
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;  // [B, H, Nq], or one element that nobody reads

const COLUMNS = 8u;
const WORKGROUP = 64u;
const Q_TILE = WORKGROUP / COLUMNS * ROWS;
const HALF = 4u * COLUMNS;                // keys of half a tile
const K_TILE = 2u * HALF;
const HIDES = CAUSAL || KEY_MASK;
const MASKED = -3.4e38;                   // below every score; finite, so that no difference of two of them is NaN
const LN_2 = 0.6931471805599453;

// Features are staged for S in slices of 4 vec4, with one vec4 of padding, so that rows start in different banks.
const SLICE = 4u;
const SLICES = (HEAD_DIM + 15u) / 16u;
const SLICE_STRIDE = SLICE + 1u;
const KEYS_AT = Q_TILE * SLICE_STRIDE;    // where K lies in `tile`, behind Q

// P V takes one pass over half a tile for FEATURES vec4 a thread: SPAN of them in a row of V, PIECE columns of P at a time.
const FEATURES = select(2u, 1u, HEAD_DIM <= 32u);
const SPAN = FEATURES * COLUMNS;
const PASSES = (HEAD_DIM + 4u * SPAN - 1u) / (4u * SPAN);
const PIECE = COLUMNS / FEATURES;
const P_STRIDE = COLUMNS + 1u;
const VALUES_AT = Q_TILE * P_STRIDE;      // where V lies in `tile`, behind P

const TILE = max(KEYS_AT + K_TILE * SLICE_STRIDE, VALUES_AT + 4u * PIECE * SPAN);
var<workgroup> tile: array<vec4<f32>, TILE>;
var<workgroup> partial: array<f32, Q_TILE * COLUMNS>; // a number of each thread for each of its rows
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
var<private> score: array<array<vec4<f32>, 2>, ROWS>;
var<private> maximum: array<f32, ROWS>;
var<private> sum: array<f32, ROWS>;
var<private> sums: array<array<vec4<f32>, FEATURES>, ROWS * PASSES>;

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

// A slice of the features of Q and K.
fn stage_slice(slice: u32, local: u32) {
    let column = local % SLICE;
    let d = 4u * (slice * SLICE + column);
    for (var row = local / SLICE; row < Q_TILE; row += WORKGROUP / SLICE) {
        tile[row * SLICE_STRIDE + column] = load_q(place.q_first + row, d);
    }
    for (var row = local / SLICE; row < K_TILE; row += WORKGROUP / SLICE) {
        tile[KEYS_AT + row * SLICE_STRIDE + column] = load_k(place.k_first + row, d);
    }
}

// One vec4 of features of the four keys that this thread owns in a half.
fn staged_keys(half: u32, c: u32) -> mat4x4<f32> {
    let at = KEYS_AT + (half * HALF + place.x) * SLICE_STRIDE + c;
    return mat4x4<f32>(
        tile[at], tile[at + COLUMNS * SLICE_STRIDE],
        tile[at + 2u * COLUMNS * SLICE_STRIDE], tile[at + 3u * COLUMNS * SLICE_STRIDE]);
}

// score += Q Kᵀ over a slice of the features.
fn add_scores() {
    for (var c = 0u; c < SLICE; c++) {
        let first = staged_keys(0u, c);
        let second = staged_keys(1u, c);
        for (var r = 0u; r < ROWS; r++) {
            let query = tile[(place.y * ROWS + r) * SLICE_STRIDE + c];
            score[r][0] += query * first;
            score[r][1] += query * second;
        }
    }
}

fn masked(score: f32, i: u32, slot: u32) -> f32 {
    let after = CAUSAL && i32(place.k_first + slot) > i32(i) + params.query_offset;
    return select(score, MASKED, after || key_visible[slot] == 0u);
}

// Four scores of a row with keys x, x + 8, x + 16 and x + 24 of the tile: scaled, biased, and hidden where they are.
fn finished(score: vec4<f32>, row: u32, x: u32, hides: bool) -> vec4<f32> {
    let s = score * params.scale + bias_of(row, x);
    if !hides {
        return s;
    }
    let i = place.q_first + row;
    return vec4(
        masked(s.x, i, x), masked(s.y, i, x + COLUMNS),
        masked(s.z, i, x + 2u * COLUMNS), masked(s.w, i, x + 3u * COLUMNS));
}

// Finishes the scores and leaves the maximum of each row's fragment in `partial`.
fn finish_scores(hides: bool) {
    for (var r = 0u; r < ROWS; r++) {
        let row = place.y * ROWS + r;
        let first = finished(score[r][0], row, place.x, hides);
        let second = finished(score[r][1], row, place.x + HALF, hides);
        score[r][0] = first;
        score[r][1] = second;
        let top = max(first, second);
        partial[row * COLUMNS + place.x] = max(max(top.x, top.y), max(top.z, top.w));
    }
}

// The exponentials; compared as bits, because a score that is not a number must not pass for a hidden one.
fn weights(score: vec4<f32>, maximum: f32) -> vec4<f32> {
    return select(vec4(0.0), exp2(score - vec4(maximum)), bitcast<vec4<u32>>(score) != vec4(bitcast<u32>(MASKED)));
}

// Moves each row to its new maximum, and turns its scores into weights.
fn update_softmax() {
    for (var r = 0u; r < ROWS; r++) {
        let row = place.y * ROWS + r;
        var top = maximum[r];
        for (var c = 0u; c < COLUMNS; c++) {
            top = max(top, partial[row * COLUMNS + c]);
        }
        let correction = exp2(maximum[r] - top);
        let first = weights(score[r][0], top);
        let second = weights(score[r][1], top);
        let both = first + second;
        score[r][0] = first;
        score[r][1] = second;
        maximum[r] = top;
        sum[r] = sum[r] * correction + (both.x + both.y + both.z + both.w);
        for (var n = 0u; n < PASSES; n++) {
            for (var f = 0u; f < FEATURES; f++) {
                sums[n * ROWS + r][f] *= correction;
            }
        }
    }
}

// Half of P: element x of a row holds keys x, x + 8, x + 16 and x + 24 of the half.
fn stage_weights(half: u32) {
    for (var r = 0u; r < ROWS; r++) {
        tile[(place.y * ROWS + r) * P_STRIDE + place.x] = score[r][half];
    }
}

// The values of the keys of PIECE columns of P, those of a column PIECE rows apart.
fn stage_values(span: u32, half: u32, piece: u32, local: u32) {
    let column = local % SPAN;
    let d = 4u * (span * SPAN + column);
    for (var slot = local / SPAN; slot < 4u * PIECE; slot += WORKGROUP / SPAN) {
        let key = piece * PIECE + slot % PIECE + slot / PIECE * COLUMNS;
        tile[VALUES_AT + slot * SPAN + column] = load_v(place.k_first + half * HALF + key, d);
    }
}

fn staged_values(slot: u32, f: u32) -> mat4x4<f32> {
    let at = VALUES_AT + slot * SPAN + f * COLUMNS + place.x;
    return mat4x4<f32>(
        tile[at], tile[at + PIECE * SPAN], tile[at + 2u * PIECE * SPAN], tile[at + 3u * PIECE * SPAN]);
}

// values · p without the keys of weight 0, so that an infinity behind the mask stays there.
fn visible_product(values: mat4x4<f32>, p: vec4<f32>) -> vec4<f32> {
    return select(vec4(0.0), values[0] * p.x, p.x != 0.0) + select(vec4(0.0), values[1] * p.y, p.y != 0.0)
        + select(vec4(0.0), values[2] * p.z, p.z != 0.0) + select(vec4(0.0), values[3] * p.w, p.w != 0.0);
}

fn product(values: mat4x4<f32>, p: vec4<f32>, hides: bool) -> vec4<f32> {
    if HIDES && hides {
        return visible_product(values, p);
    }
    return values * p;
}

// sums += P V over the staged piece.
fn add_piece(span: u32, piece: u32, hides: bool) {
    for (var c = 0u; c < PIECE; c++) {
        let first = staged_values(c, 0u);
        let second = staged_values(c, FEATURES - 1u);
        for (var r = 0u; r < ROWS; r++) {
            let p = tile[(place.y * ROWS + r) * P_STRIDE + piece * PIECE + c];
            sums[span * ROWS + r][0] += product(first, p, hides);
            if FEATURES > 1u {
                sums[span * ROWS + r][FEATURES - 1u] += product(second, p, hides);
            }
        }
    }
}

// sums += P V over half a tile, for the features of a pass.
fn add_values(span: u32, half: u32, hides: bool, local: u32) {
    for (var piece = 0u; piece < FEATURES; piece++) {
        workgroupBarrier();
        stage_values(span, half, piece, local);
        workgroupBarrier();
        add_piece(span, piece, hides);
    }
}

fn add_half(half: u32, hides: bool, local: u32) {
    workgroupBarrier();
    stage_weights(half);
    add_values(0u, half, hides, local);
    if PASSES > 1u { add_values(1u, half, hides, local); }
    if PASSES > 2u { add_values(2u, half, hides, local); }
    if PASSES > 3u { add_values(3u, half, hides, local); }
}

fn write_features(first: u32, d: u32, value: vec4<f32>) {
    if d < HEAD_DIM { out[first + d] = value.x; }
    if d + 1u < HEAD_DIM { out[first + d + 1u] = value.y; }
    if d + 2u < HEAD_DIM { out[first + d + 2u] = value.z; }
    if d + 3u < HEAD_DIM { out[first + d + 3u] = value.w; }
}

fn write_row(r: u32, total: f32) {
    let i = place.q_first + place.y * ROWS + r;
    let s = params.out_strides;
    let first = place.batch * s.x + place.head * s.y + i * s.z;
    let empty = total == 0.0;
    for (var n = 0u; n < PASSES; n++) {
        for (var f = 0u; f < FEATURES; f++) {
            let value = select(sums[n * ROWS + r][f] / total, vec4(0.0), empty);
            write_features(first, 4u * (n * SPAN + f * COLUMNS + place.x), value);
        }
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
            score[r][0] = vec4(0.0);
            score[r][1] = vec4(0.0);
        }
        for (var slice = 0u; slice < SLICES; slice++) {
            workgroupBarrier();
            stage_slice(slice, local);
            if slice == 0u {
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
        add_half(0u, hides, local);
        add_half(1u, hides, local);
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
