// Fused attention of a few rows: one workgroup takes a part of the keys that are bound, each eight invocations a strand of that.
//   for each key of an invocation that the mask leaves, and each of ROWS rows:
//       s = scale · q · k + bias
//       m' = max(m, s), p = exp2(s − m'), l = l · exp2(m − m') + p, O = O · exp2(m − m') + kept(p) · v
//   then over the workgroup: M = max m, L = Σ l · exp2(m − M), O = Σ O · exp2(m − M)
//   part_out = keep_scale · O / L, part_lse = (M + log2 L) · ln 2; `attention_decode_merge.wgsl` does the rest
//
// 1. Nothing passes between invocations before the end of the part, so that no barrier stands in the loop over keys.
// 2. Every key and value is read once by one invocation: memory decides how long a decoding step takes. A strand is one run of memory,
//    so that what fetches ahead can follow it.
@group(0) @binding(19) var<storage, read_write> part_out: array<f32>; // [S, sequences, heads, rows, Dv] of the dispatch
@group(0) @binding(20) var<storage, read_write> part_lse: array<f32>; // [S, sequences, heads, rows]

const WORKGROUP = 64u;
const Q_TILE = ROWS;
const K_TILE = 8u; // invocations of a strand, each with one key at a time
const VECTORS = (HEAD_DIM + 3u) / 4u;
const VALUE_VECTORS = (VALUE_DIM + 3u) / 4u;
const PADDED = HEAD_DIM % 4u != 0u;
const VALUE_PADDED = VALUE_DIM % 4u != 0u;
const PIECE = 4u; // vec4 of features that are added up over the workgroup at once

var<workgroup> queries: array<vec4<f32>, ROWS * VECTORS>;
var<workgroup> numbers: array<f32, ROWS * WORKGROUP>; // of each invocation for each row
var<workgroup> pieces: array<vec4<f32>, PIECE * WORKGROUP>;

var<private> own: array<RowBias, ROWS>;
var<private> score: array<f32, ROWS>; // then the weights
var<private> maximum: array<f32, ROWS>;
var<private> sum: array<f32, ROWS>;
var<private> sums: array<array<vec4<f32>, ROWS>, VALUE_VECTORS>;

fn stage_queries(local: u32) {
    for (var t = local; t < ROWS * VECTORS; t += WORKGROUP) {
        queries[t] = load_q(q_row(place.q_first + t / VECTORS), 4u * (t % VECTORS));
    }
}

// The rows that see a key, as bits.
fn rows_that_see(j: u32) -> u32 {
    var bits = 0u;
    for (var r = 0u; r < ROWS; r++) {
        bits |= select(0u, 1u, sees(place.q_first + r, j)) << r;
    }
    return select(0u, bits, visible_key(j) != 0u);
}

fn score_key(j: u32) {
    let row = k_row(j);
    for (var r = 0u; r < ROWS; r++) {
        score[r] = 0.0;
    }
    for (var c = 0u; c < VECTORS; c++) {
        let key = load_k(row, 4u * c);
        for (var r = 0u; r < ROWS; r++) {
            let query = queries[r * VECTORS + c];
            score[r] = fma(query.x, key.x, fma(query.y, key.y, fma(query.z, key.z, fma(query.w, key.w, score[r]))));
        }
    }
}

// Scales and biases the scores of a key, and hides it from rows that do not see it.
fn finish_scores(slot: u32, seen: u32) {
    for (var r = 0u; r < ROWS; r++) {
        var bias = constant_bias(own[r]);
        if !bias_constant() {
            bias = bias_of(r, slot, own[r], tile_bias(r, r));
        }
        score[r] = fma(score[r], params.scale, bias);
    }
    for (var s = segment_first; s < segment_last; s++) {
        for (var r = 0u; r < ROWS; r++) {
            score[r] += fire_bend(s, place.q_first + r, place.k_first + slot, own[r].normalizer);
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        score[r] = select(MASKED, score[r], ((seen >> r) & 1u) != 0u);
    }
}

// Turns scores into weights, and moves rows to new maxima.
fn update_softmax() {
    for (var r = 0u; r < ROWS; r++) {
        let top = max(maximum[r], score[r]);
        let correction = exp2(maximum[r] - top);
        let p = weight(score[r], top);
        score[r] = p;
        maximum[r] = top;
        sum[r] = fma(sum[r], correction, p);
        for (var c = 0u; c < VALUE_VECTORS; c++) {
            sums[c][r] *= correction;
        }
    }
}

// The rows of which dropout keeps the weight of a key, as bits.
fn rows_that_keep(j: u32) -> u32 {
    var bits = 0u;
    for (var r = 0u; r < ROWS; r++) {
        bits |= select(0u, 1u, kept(place.q_first + r, j)) << r;
    }
    return bits;
}

// A key that is hidden or left out weighs nothing, whatever its value is.
fn add_value(j: u32, seen: u32) {
    let row = v_row(j);
    for (var c = 0u; c < VALUE_VECTORS; c++) {
        let value = load_v(row, 4u * c);
        for (var r = 0u; r < ROWS; r++) {
            let product = fma(vec4(score[r]), value, sums[c][r]);
            sums[c][r] = select(sums[c][r], product, ((seen >> r) & 1u) != 0u);
        }
    }
}

fn attend(local: u32, part_begin: u32, part_end: u32) {
    let strand = (part_end - part_begin + WORKGROUP - 1u) / WORKGROUP * K_TILE;
    let begin = part_begin + local / K_TILE * strand;
    let end = min(begin + strand, part_end);
    let slot = local % K_TILE;
    for (var k_first = begin; k_first < end; k_first += K_TILE) {
        place.k_first = k_first;
        let j = k_first + slot;
        var seen = (1u << ROWS) - 1u;
        if tile_hides() {
            seen = select(0u, rows_that_see(j), j < end);
        }
        if seen == 0u {
            continue;
        }
        bias_prepare(local);
        score_key(j);
        finish_scores(slot, seen);
        update_softmax();
        if DROPOUT {
            seen &= rows_that_keep(j);
        }
        add_value(j, seen);
    }
}

// Brings each row of every invocation to the maximum of the workgroup, and adds up what they summed.
fn gather_softmax(local: u32) {
    for (var r = 0u; r < ROWS; r++) {
        numbers[r * WORKGROUP + local] = maximum[r];
    }
    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
        var top = LOWEST;
        for (var t = 0u; t < WORKGROUP; t++) {
            top = max(top, numbers[r * WORKGROUP + t]);
        }
        let correction = exp2(maximum[r] - top);
        sum[r] *= correction;
        maximum[r] = top;
        for (var c = 0u; c < VALUE_VECTORS; c++) {
            sums[c][r] *= correction;
        }
    }
    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
        numbers[r * WORKGROUP + local] = sum[r];
    }
    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
        sum[r] = 0.0;
        for (var t = 0u; t < WORKGROUP; t++) {
            sum[r] += numbers[r * WORKGROUP + t];
        }
    }
}

// Where a row of this part begins among the rows of all parts that these workgroups leave behind.
fn part_row(group: vec3<u32>, count: vec3<u32>, r: u32) -> u32 {
    let sequence = (params.part_first + group.x % params.splits) * count.z + group.z;
    return (sequence * count.y + group.y) * params.part_rows + group.x / params.splits * Q_TILE + r;
}

// PIECE vec4 of a row, from the c-th on. Walks all of `sums`, so that the loops unroll and no index is unknown, which would move it from
// registers to memory.
fn stage_piece(local: u32, c: u32, row: u32) {
    for (var n = 0u; n < VALUE_VECTORS; n++) {
        for (var r = 0u; r < ROWS; r++) {
            if n / PIECE == c / PIECE && r == row {
                pieces[local * PIECE + n % PIECE] = sums[n][r];
            }
        }
    }
}

// Adds up PIECE vec4 of a row over the workgroup, by halves.
fn gather_piece(local: u32) {
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            for (var n = 0u; n < PIECE; n++) {
                pieces[local * PIECE + n] += pieces[(local + half) * PIECE + n];
            }
        }
    }
    workgroupBarrier();
}

fn write_piece(local: u32, at: u32, d: u32, total: f32) {
    if local < 4u * PIECE && d + local < VALUE_DIM {
        let value = pieces[local / 4u][local % 4u];
        part_out[at + d + local] = select(keep_scale() * (value / total), 0.0, total == 0.0);
    }
}

@compute @workgroup_size(WORKGROUP)
fn attention_decode(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let all = group + params.first.xyz;
    let split = all.x % params.splits;
    place = placed(vec3(all.x / params.splits, all.y, all.z));
    stage_queries(local);
    for (var r = 0u; r < ROWS; r++) {
        maximum[r] = LOWEST;
        own[r] = row_bias(r);
    }
    workgroupBarrier();
    let begin = max(key_begin(), params.keys_first);
    let end = max(min(key_end(), params.keys_end), begin);
    let part = (((end - begin) + params.splits - 1u) / params.splits + WORKGROUP - 1u) / WORKGROUP * WORKGROUP;
    let first = min(begin + split * part, end);
    attend(local, first, min(first + part, end));

    gather_softmax(local);
    for (var r = 0u; r < ROWS; r++) {
        for (var c = 0u; c < VALUE_VECTORS; c += PIECE) {
            stage_piece(local, c, r);
            gather_piece(local);
            if place.q_first + r < row_limit() {
                write_piece(local, part_row(group, count, r) * VALUE_DIM, 4u * c, sum[r]);
            }
            workgroupBarrier();
        }
        if local == 0u && place.q_first + r < row_limit() {
            let value = (maximum[r] + log2(sum[r])) * LN_2;
            part_lse[part_row(group, count, r)] = select(value, params.empty_lse, sum[r] == 0.0);
        }
    }
}
