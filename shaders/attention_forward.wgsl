// Fused attention: one workgroup computes Q_TILE query rows of one head.
//   for each key tile that the mask leaves:
//       S = scale · Q Kᵀ + bias                 in fragments of ROWS × 4 scores a thread, HEAD_CHUNK features at a time
//       m' = max(m, rowmax S), P = exp2(S − m'), l = l · exp2(m − m') + rowsum P
//       O = O · exp2(m − m') + P V              in fragments of ROWS rows × 4 features a thread and chunk
//   out = O / l, lse = (m + log2 l) · ln 2
// Threads form a COLUMNS × (WORKGROUP / COLUMNS) grid: x owns keys x + COLUMNS·n, then features x of each chunk; y owns rows.
// Scores carry a factor log2(e), so that every exponential is an exp2.
@group(0) @binding(1) var<storage, read> q: array<f32>;          // [B, H, Nq, D]
@group(0) @binding(2) var<storage, read> k: array<f32>;          // [B, Hkv, Nk, D]
@group(0) @binding(3) var<storage, read> v: array<f32>;          // [B, Hkv, Nk, D]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;  // [B, H, Nq, D]
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;  // [B, H, Nq], or one element that nobody reads

const COLUMNS = 8u;
const WORKGROUP = 64u;
const Q_TILE = WORKGROUP / COLUMNS * ROWS;
const K_TILE = 4u * COLUMNS;
const CHUNK = COLUMNS;                    // of features, in vec4
const CHUNKS = (HEAD_DIM + 4u * CHUNK - 1u) / (4u * CHUNK);
const STRIDE = CHUNK + 1u;                // one more, so that rows start in different banks
const HIDES = CAUSAL || KEY_MASK;
const MASKED = -3.4e38;
const LN_2 = 0.6931471805599453;

var<workgroup> rows_tile: array<vec4<f32>, Q_TILE * STRIDE>;  // a chunk of Q, then P
var<workgroup> keys_tile: array<vec4<f32>, K_TILE * STRIDE>;  // a chunk of K, then of V
var<workgroup> partial: array<f32, Q_TILE * COLUMNS>;         // a number of each thread for each of its rows
var<workgroup> key_visible: array<u32, K_TILE>;

fn feature(d: u32) -> bool {
    return d < HEAD_DIM;
}

fn load_q(base: u32, i: u32, d: u32) -> vec4<f32> {
    if i >= params.q_len { return vec4(0.0); }
    let at = base + i * params.q_strides.z + d;
    return vec4(
        select(0.0, q[at], feature(d)), select(0.0, q[at + 1u], feature(d + 1u)),
        select(0.0, q[at + 2u], feature(d + 2u)), select(0.0, q[at + 3u], feature(d + 3u)));
}

fn load_k(base: u32, j: u32, d: u32) -> vec4<f32> {
    if j >= params.k_len { return vec4(0.0); }
    let at = base + j * params.k_strides.z + d;
    return vec4(
        select(0.0, k[at], feature(d)), select(0.0, k[at + 1u], feature(d + 1u)),
        select(0.0, k[at + 2u], feature(d + 2u)), select(0.0, k[at + 3u], feature(d + 3u)));
}

fn load_v(base: u32, j: u32, d: u32) -> vec4<f32> {
    if j >= params.k_len { return vec4(0.0); }
    let at = base + j * params.v_strides.z + d;
    return vec4(
        select(0.0, v[at], feature(d)), select(0.0, v[at + 1u], feature(d + 1u)),
        select(0.0, v[at + 2u], feature(d + 2u)), select(0.0, v[at + 3u], feature(d + 3u)));
}

// The number of keys that the last row of the tile may see.
fn key_end(q_first: u32) -> u32 {
    if CAUSAL {
        let last = i32(min(q_first + Q_TILE, params.q_len)) + params.query_offset;
        return min(u32(max(last, 0)), params.k_len);
    }
    return params.k_len;
}

fn masked(score: f32, i: u32, j: u32, slot: u32) -> f32 {
    let after = CAUSAL && i32(j) > i32(i) + params.query_offset;
    return select(score, MASKED, after || key_visible[slot] == 0u);
}

// The exponentials; compared as bits, because a score that is not a number must not pass for a hidden one.
fn weights(score: vec4<f32>, maximum: f32) -> vec4<f32> {
    return select(vec4(0.0), exp2(score - vec4(maximum)), bitcast<vec4<u32>>(score) != vec4(bitcast<u32>(MASKED)));
}

// Whether the mask may hide a key of this tile from a row of it.
fn tile_hides(q_first: u32, k_first: u32) -> bool {
    return KEY_MASK || i32(k_first + K_TILE - 1u) > i32(q_first) + params.query_offset;
}

// values · p without the keys of weight 0, so that an infinity behind the mask stays there.
fn visible_product(values: mat4x4<f32>, p: vec4<f32>) -> vec4<f32> {
    return select(vec4(0.0), values[0] * p.x, p.x != 0.0) + select(vec4(0.0), values[1] * p.y, p.y != 0.0)
        + select(vec4(0.0), values[2] * p.z, p.z != 0.0) + select(vec4(0.0), values[3] * p.w, p.w != 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn attention_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let head = group.y;
    let batch = group.z;
    let q_first = group.x * Q_TILE;
    let x = local % COLUMNS;
    let first_row = local / COLUMNS * ROWS;
    let kv_head = head / params.group_size;
    let q_base = batch * params.q_strides.x + head * params.q_strides.y;
    let k_base = batch * params.k_strides.x + kv_head * params.k_strides.y;
    let v_base = batch * params.v_strides.x + kv_head * params.v_strides.y;
    let out_base = batch * params.out_strides.x + head * params.out_strides.y;

    var maximum: array<f32, ROWS>;
    var sum: array<f32, ROWS>;
    var acc: array<array<vec4<f32>, ROWS>, CHUNKS>;
    for (var r = 0u; r < ROWS; r++) {
        maximum[r] = MASKED;
    }

    let end = key_end(q_first);
    for (var k_first = 0u; k_first < end; k_first += K_TILE) {
        var score: array<vec4<f32>, ROWS>;
        let hides = HIDES && tile_hides(q_first, k_first);
        let first_offset = i32(k_first) - i32(q_first + Q_TILE - 1u) - params.query_offset;
        for (var chunk = 0u; chunk < CHUNKS; chunk++) {
            workgroupBarrier();
            for (var e = local; e < Q_TILE * CHUNK; e += WORKGROUP) {
                let d = 4u * (chunk * CHUNK + e % CHUNK);
                rows_tile[e / CHUNK * STRIDE + e % CHUNK] = load_q(q_base, q_first + e / CHUNK, d);
            }
            for (var e = local; e < K_TILE * CHUNK; e += WORKGROUP) {
                let d = 4u * (chunk * CHUNK + e % CHUNK);
                keys_tile[e / CHUNK * STRIDE + e % CHUNK] = load_k(k_base, k_first + e / CHUNK, d);
            }
            if chunk == 0u {
                bias_prepare(local, head, first_offset);
                if local < K_TILE {
                    key_visible[local] = visible_key(batch, k_first + local);
                }
            }
            workgroupBarrier();
            for (var c = 0u; c < CHUNK; c++) {
                let keys = mat4x4<f32>(
                    keys_tile[x * STRIDE + c], keys_tile[(x + COLUMNS) * STRIDE + c],
                    keys_tile[(x + 2u * COLUMNS) * STRIDE + c], keys_tile[(x + 3u * COLUMNS) * STRIDE + c]);
                for (var r = 0u; r < ROWS; r++) {
                    score[r] += rows_tile[(first_row + r) * STRIDE + c] * keys;
                }
            }
        }
        for (var r = 0u; r < ROWS; r++) {
            let i = q_first + first_row + r;
            let j = k_first + x;
            let diagonal = Q_TILE - 1u - (first_row + r) + x;
            let s = score[r] * params.scale + vec4(
                bias_of(diagonal, i, j),
                bias_of(diagonal + COLUMNS, i, j + COLUMNS),
                bias_of(diagonal + 2u * COLUMNS, i, j + 2u * COLUMNS),
                bias_of(diagonal + 3u * COLUMNS, i, j + 3u * COLUMNS));
            let m = vec4(
                masked(s.x, i, j, x), masked(s.y, i, j + COLUMNS, x + COLUMNS),
                masked(s.z, i, j + 2u * COLUMNS, x + 2u * COLUMNS), masked(s.w, i, j + 3u * COLUMNS, x + 3u * COLUMNS));
            score[r] = m;
            partial[(first_row + r) * COLUMNS + x] = max(max(m.x, m.y), max(m.z, m.w));
        }
        workgroupBarrier();
        for (var r = 0u; r < ROWS; r++) {
            var top = maximum[r];
            for (var c = 0u; c < COLUMNS; c++) {
                top = max(top, partial[(first_row + r) * COLUMNS + c]);
            }
            let correction = exp2(maximum[r] - top);
            let p = weights(score[r], top);
            maximum[r] = top;
            sum[r] = sum[r] * correction + (p.x + p.y + p.z + p.w);
            for (var chunk = 0u; chunk < CHUNKS; chunk++) {
                acc[chunk][r] *= correction;
            }
            rows_tile[(first_row + r) * STRIDE + x] = p; // element x holds keys x, x + 8, x + 16, x + 24
        }
        for (var chunk = 0u; chunk < CHUNKS; chunk++) {
            workgroupBarrier();
            for (var e = local; e < K_TILE * CHUNK; e += WORKGROUP) {
                let d = 4u * (chunk * CHUNK + e % CHUNK);
                keys_tile[e / CHUNK * STRIDE + e % CHUNK] = load_v(v_base, k_first + e / CHUNK, d);
            }
            workgroupBarrier();
            for (var c = 0u; c < COLUMNS; c++) {
                let values = mat4x4<f32>(
                    keys_tile[c * STRIDE + x], keys_tile[(c + COLUMNS) * STRIDE + x],
                    keys_tile[(c + 2u * COLUMNS) * STRIDE + x], keys_tile[(c + 3u * COLUMNS) * STRIDE + x]);
                for (var r = 0u; r < ROWS; r++) {
                    let p = rows_tile[(first_row + r) * STRIDE + c];
                    if hides {
                        acc[chunk][r] += visible_product(values, p);
                    } else {
                        acc[chunk][r] += values * p;
                    }
                }
            }
        }
    }

    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
        partial[(first_row + r) * COLUMNS + x] = sum[r];
    }
    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
        let i = q_first + first_row + r;
        if i >= params.q_len {
            continue;
        }
        var total = 0.0;
        for (var c = 0u; c < COLUMNS; c++) {
            total += partial[(first_row + r) * COLUMNS + c];
        }
        let empty = total == 0.0;
        for (var chunk = 0u; chunk < CHUNKS; chunk++) {
            let value = select(acc[chunk][r] / total, vec4(0.0), empty);
            let d = 4u * (chunk * CHUNK + x);
            let at = out_base + i * params.out_strides.z + d;
            if feature(d) { out[at] = value.x; }
            if feature(d + 1u) { out[at + 1u] = value.y; }
            if feature(d + 2u) { out[at + 2u] = value.z; }
            if feature(d + 3u) { out[at + 3u] = value.w; }
        }
        if x == 0u && params.write_lse != 0u {
            let value = (maximum[r] + log2(total)) * LN_2;
            lse[(batch * params.heads + head) * params.q_len + i] = select(value, params.empty_lse, empty);
        }
    }
}
