// Fused attention: one workgroup computes Q_TILE query rows of one head.
//   for each key tile of which the mask leaves anything:
//       S = scale · Q Kᵀ + bias                 in fragments of ROWS × 8 scores a thread, 16 features at a time
//       m' = max(m, rowmax S), P = exp2(S − m'), l = l · exp2(m − m') + rowsum P
//       O = O · exp2(m − m') + kept(P) V        in fragments of ROWS rows × 4 or 8 features a thread
//   out = keep_scale · O / l, lse = (m + log2 l) · ln 2
//
// 1. Threads form a grid of COLUMNS × WORKGROUP / COLUMNS. In half h of a tile, thread x of a row owns keys x, x + 8, x + 16
//    and x + 24, so that neighbours read neighbouring keys; of each chunk of 32 features it owns 4x … 4x + 3.
// 2. Scores carry a factor log2(e), so that every exponential is an exp2.
// 3. 16 KiB serve any head dimension: `tile` holds a few features of Q and K, then half of P and a few keys of V.
// 4. A tile that documents, bits or a key mask hide from all rows costs no more than to find that out.
// 5. Each thread asks once for what dropout keeps of an octet of keys for each of its rows, and `partial` passes it on.
// 6. `sums` is only ever indexed by constants once the loops over rows are unrolled; hence the calls by pass.

const Q_TILE = WORKGROUP / COLUMNS * ROWS;
const K_TILE = 2u * HALF;
const SLICES = (HEAD_DIM + 15u) / 16u;
const KEYS_AT = Q_TILE * SLICE_STRIDE;    // where K lies in `tile`, behind Q

// P V takes one pass over half a tile for FEATURES vec4 a thread: SPAN of them in a row of V, PIECE columns of P at a time.
const FEATURES = select(2u, 1u, VALUE_DIM <= 32u);
const SPAN = FEATURES * COLUMNS;
const PASSES = (VALUE_DIM + 4u * SPAN - 1u) / (4u * SPAN);
const PIECE = COLUMNS / FEATURES;
const P_STRIDE = COLUMNS + 1u;
const VALUES_AT = Q_TILE * P_STRIDE;      // where V lies in `tile`, behind P
const PADDED = HEAD_DIM % 16u != 0u;
const VALUE_PADDED = VALUE_DIM % (4u * SPAN) != 0u;

const SKIPS = KEY_MASK || PAIR_MASK;
const TILE = max(KEYS_AT + K_TILE * SLICE_STRIDE, VALUES_AT + 4u * PIECE * SPAN);
var<workgroup> tile: array<vec4<f32>, TILE>;
// A word of each thread for each of its rows; while rows look at a tile, of each key whether it is visible, and then of each its document.
var<workgroup> partial: array<u32, Q_TILE * COLUMNS>;
// Not 0 where some row sees some key of the tile; in the end, where a thread met an infinity.
var<workgroup> flag: atomic<u32>;

var<private> score: array<array<vec4<f32>, 2>, ROWS>;
var<private> visible: array<u32, ROWS>; // a bit for each score of a row, first those of the first half
var<private> maximum: array<f32, ROWS>;
var<private> sum: array<f32, ROWS>;
var<private> sums: array<array<vec4<f32>, FEATURES>, ROWS * PASSES>;

// What a thread stages next, read while the products of what is staged are added up.
const Q_AHEAD = (Q_TILE + LINES - 1u) / LINES;
const K_AHEAD = K_TILE / LINES;
const V_AHEAD = 4u * PIECE * SPAN / WORKGROUP;
var<private> ahead: array<vec4<f32>, Q_AHEAD + K_AHEAD>;

// A slice of the features of Q and K.
fn read_slice(slice: u32, local: u32) {
    let row = local / SLICE;
    let d = 4u * (slice * SLICE + local % SLICE);
    for (var n = 0u; n < Q_AHEAD; n++) {
        ahead[n] = load_q(q_row(place.q_first + row + n * LINES), d);
    }
    for (var n = 0u; n < K_AHEAD; n++) {
        ahead[Q_AHEAD + n] = load_k(k_row(place.k_first + row + n * LINES), d);
    }
}

fn stage_slice(local: u32) {
    workgroupBarrier();
    let at = local / SLICE * SLICE_STRIDE + local % SLICE;
    for (var n = 0u; n < Q_AHEAD; n++) {
        if Q_TILE % LINES == 0u || local / SLICE < Q_TILE {
            tile[at + n * LINES * SLICE_STRIDE] = ahead[n];
        }
    }
    for (var n = 0u; n < K_AHEAD; n++) {
        tile[KEYS_AT + at + n * LINES * SLICE_STRIDE] = ahead[Q_AHEAD + n];
    }
    workgroupBarrier();
}

// score += Q Kᵀ over a slice of the features.
fn add_scores() {
    for (var c = 0u; c < SLICE; c++) {
        var query: array<vec4<f32>, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
            query[r] = tile[own_at(r, SLICE_STRIDE) + c];
        }
        for (var half = 0u; half < 2u; half++) {
            for (var n = 0u; n < 4u; n++) {
                let key = tile[KEYS_AT + (half * HALF + n * COLUMNS + column) * SLICE_STRIDE + c];
                for (var r = 0u; r < ROWS; r++) {
                    score[r][half][n] = add_product(query[r], key, score[r][half][n]);
                }
            }
        }
    }
}

// The keys of this thread that are visible to some, bit n being key x + 8 n.
fn visible_keys() -> u32 {
    if !SKIPS {
        return bits_before(key_limit(), place.k_first + column, firstTrailingBit(COLUMNS));
    }
    var bits = 0u;
    for (var n = 0u; n < 8u; n++) {
        bits |= partial[column + n * COLUMNS] << n;
    }
    return bits;
}

// Those that a row sees.
fn visible_bits(row: u32, keys: u32) -> u32 {
    let i = place.q_first + row;
    var seen = keys & range_bits(i, place.k_first + column, firstTrailingBit(COLUMNS));
    if PAIR_MASK {
        let document = query_document(i);
        let bits = array<u32, 2>(bits_from(i, place.k_first), bits_from(i, place.k_first + HALF));
        for (var n = 0u; n < 8u; n++) {
            let slot = column + n * COLUMNS;
            let bit = select(0u, bits[n / 4u] >> (slot % HALF), partial[K_TILE + slot] == document) & 1u;
            seen &= ~((1u - bit) << n);
        }
    }
    return seen;
}

fn stage_visible(local: u32) {
    if local < K_TILE {
        partial[local] = select(0u, 1u, visible_key(place.k_first + local) != 0u);
        partial[K_TILE + local] = key_document(place.k_first + local);
    }
    if local == 0u {
        atomicStore(&flag, 0u);
    }
}

// Finds what the rows see of a tile that hides something; whether that is anything, for the whole workgroup. Only masks that are
// read can hide all of a tile that is met.
fn look(local: u32) -> bool {
    if SKIPS {
        workgroupBarrier();
        stage_visible(local);
        workgroupBarrier();
    }
    let keys = visible_keys();
    var any = 0u;
    for (var r = 0u; r < ROWS; r++) {
        visible[r] = visible_bits(line * ROWS + r, keys);
        any |= visible[r];
    }
    if !SKIPS {
        return true;
    }
    atomicOr(&flag, any);
    workgroupBarrier();
    return uniform_condition(atomicLoad(&flag) != 0u, local);
}

// Four scores of a row with keys x, x + 8, x + 16 and x + 24 of the tile, scaled and biased.
fn biased(score: vec4<f32>, r: u32, row: u32, x: u32, own: RowBias) -> vec4<f32> {
    var bias = vec4(constant_bias(own));
    if !bias_constant() {
        let tile = tile_bias(r, row);
        bias = vec4(
            bias_of(row, x, own, tile), bias_of(row, x + COLUMNS, own, tile),
            bias_of(row, x + 2u * COLUMNS, own, tile), bias_of(row, x + 3u * COLUMNS, own, tile));
    }
    return score * params.scale + bias;
}

fn bend(s: u32, row: u32, x: u32, own: RowBias) -> vec4<f32> {
    let i = place.q_first + row;
    let j = place.k_first + x;
    return vec4(
        fire_bend(s, i, j, own.normalizer), fire_bend(s, i, j + COLUMNS, own.normalizer),
        fire_bend(s, i, j + 2u * COLUMNS, own.normalizer), fire_bend(s, i, j + 3u * COLUMNS, own.normalizer));
}

fn add_bends() {
    for (var s = segment_first; s < segment_last; s++) {
        for (var r = 0u; r < ROWS; r++) {
            let row = line * ROWS + r;
            let own = row_bias(row);
            score[r][0] += bend(s, row, column, own);
            score[r][1] += bend(s, row, column + HALF, own);
        }
    }
}

fn hidden(score: vec4<f32>, bits: u32) -> vec4<f32> {
    return select(vec4(MASKED), score, (vec4(bits) & vec4(1u, 2u, 4u, 8u)) != vec4(0u));
}

// Finishes the scores and leaves the maximum of each row's fragment in `partial`.
fn finish_scores(hides: bool) {
    for (var r = 0u; r < ROWS; r++) {
        let row = line * ROWS + r;
        let own = row_bias(row);
        score[r][0] = biased(score[r][0], r, row, column, own);
        score[r][1] = biased(score[r][1], r, row, column + HALF, own);
    }
    add_bends();
    for (var r = 0u; r < ROWS; r++) {
        if hides {
            score[r][0] = hidden(score[r][0], visible[r]);
            score[r][1] = hidden(score[r][1], visible[r] >> 4u);
        }
        let top = max(score[r][0], score[r][1]);
        partial[own_at(r, COLUMNS) + column] = bitcast<u32>(max(max(top.x, top.y), max(top.z, top.w)));
    }
}

fn weights(score: vec4<f32>, maximum: f32) -> vec4<f32> {
    return vec4(weight(score.x, maximum), weight(score.y, maximum), weight(score.z, maximum), weight(score.w, maximum));
}

// Moves each row to its new maximum, and turns its scores into weights.
fn update_softmax() {
    for (var r = 0u; r < ROWS; r++) {
        var top = maximum[r];
        for (var c = 0u; c < COLUMNS; c++) {
            top = max(top, bitcast<f32>(partial[own_at(r, COLUMNS) + c]));
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

// What is kept of each octet of a tile's keys, by rows.
fn stage_kept() {
    for (var r = 0u; r < ROWS; r++) {
        let row = line * ROWS + r;
        partial[row * COLUMNS + column] = kept_bits(place.q_first + row, place.k_first + 8u * column);
    }
}

// The weights of a row's fragment in a half, those that are left out being 0.
fn kept_weights(p: vec4<f32>, row: u32, half: u32) -> vec4<f32> {
    let at = row * COLUMNS + 4u * half;
    let octets = vec4(partial[at], partial[at + 1u], partial[at + 2u], partial[at + 3u]);
    return select(vec4(0.0), p, ((octets >> vec4(column)) & vec4(1u)) != vec4(0u));
}

// Half of P: element x of a row holds keys x, x + 8, x + 16 and x + 24 of the half.
fn stage_weights(half: u32) {
    for (var r = 0u; r < ROWS; r++) {
        let row = line * ROWS + r;
        var p = score[r][half];
        if DROPOUT {
            p = kept_weights(p, row, half);
        }
        tile[own_at(r, P_STRIDE) + column] = p;
    }
}

// The values of the keys of PIECE columns of P, those of a column PIECE rows apart.
fn read_values(span: u32, half: u32, piece: u32, local: u32) {
    let d = 4u * (span * SPAN + local % SPAN);
    for (var n = 0u; n < V_AHEAD; n++) {
        let slot = local / SPAN + n * (WORKGROUP / SPAN);
        let key = piece * PIECE + slot % PIECE + slot / PIECE * COLUMNS;
        ahead[n] = load_v(v_row(place.k_first + half * HALF + key), d);
    }
}

fn stage_values(hides: bool, local: u32) {
    workgroupBarrier();
    for (var n = 0u; n < V_AHEAD; n++) {
        tile[VALUES_AT + local + n * WORKGROUP] = without_infinity(ahead[n], hides);
    }
    workgroupBarrier();
}

// What is staged after a piece, if anything is.
fn read_next_values(span: u32, half: u32, piece: u32, local: u32) {
    if piece + 1u < FEATURES {
        read_values(span, half, piece + 1u, local);
    } else if span + 1u < PASSES {
        read_values(span + 1u, half, 0u, local);
    } else if half == 0u {
        read_values(0u, 1u, 0u, local);
    }
}

// sums += P V over the staged piece.
fn add_piece(span: u32, piece: u32) {
    for (var c = 0u; c < PIECE; c++) {
        var p: array<vec4<f32>, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
            p[r] = tile[own_at(r, P_STRIDE) + piece * PIECE + c];
        }
        for (var f = 0u; f < FEATURES; f++) {
            for (var n = 0u; n < 4u; n++) {
                let value = tile[VALUES_AT + (n * PIECE + c) * SPAN + f * COLUMNS + column];
                for (var r = 0u; r < ROWS; r++) {
                    sums[span * ROWS + r][f] = fma(vec4(p[r][n]), value, sums[span * ROWS + r][f]);
                }
            }
        }
    }
}

// sums += P V over half a tile, for the features of a pass.
fn add_values(span: u32, half: u32, hides: bool, local: u32) {
    for (var piece = 0u; piece < FEATURES; piece++) {
        stage_values(hides, local);
        read_next_values(span, half, piece, local);
        add_piece(span, piece);
    }
}

fn add_half(half: u32, hides: bool, local: u32) {
    workgroupBarrier();
    if DROPOUT && half == 0u {
        stage_kept();
        workgroupBarrier();
    }
    stage_weights(half);
    add_values(0u, half, hides, local);
    if PASSES > 1u { add_values(1u, half, hides, local); }
    if PASSES > 2u { add_values(2u, half, hides, local); }
    if PASSES > 3u { add_values(3u, half, hides, local); }
}

fn write_row(r: u32, total: f32) {
    let i = place.q_first + line * ROWS + r;
    for (var n = 0u; n < PASSES; n++) {
        for (var f = 0u; f < FEATURES; f++) {
            let value = select(keep_scale() * (sums[n * ROWS + r][f] / total), vec4(0.0), total == 0.0);
            write_features(out_row(i), 4u * (n * SPAN + f * COLUMNS + column), value);
        }
    }
    if column == 0u {
        write_lse(i, maximum[r], total);
    }
}

// For the rows and features that this thread wrote.
fn add_own_infinities() {
    for (var r = 0u; r < ROWS; r++) {
        let i = place.q_first + line * ROWS + r;
        for (var d = 4u * column; d < VALUE_DIM && i < row_limit(); d += 4u * COLUMNS) {
            add_infinities(i, d);
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn attention_forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    place = placed(in_turn(group, count) + params.first.xyz);
    column = local % COLUMNS;
    line = local / COLUMNS;
    for (var r = 0u; r < ROWS; r++) {
        maximum[r] = LOWEST;
    }

    let end = uniform_number(key_end(), local);
    for (var k_first = uniform_number(key_begin(), local); k_first < end; k_first += K_TILE) {
        place.k_first = k_first;
        let hides = uniform_condition(tile_hides(), local);
        if hides && !look(local) {
            continue;
        }
        for (var r = 0u; r < ROWS; r++) {
            score[r][0] = vec4(0.0);
            score[r][1] = vec4(0.0);
        }
        read_slice(0u, local);
        bias_prepare(local);
        for (var slice = 1u; slice < SLICES; slice++) {
            stage_slice(local);
            read_slice(slice, local);
            add_scores();
        }
        stage_slice(local);
        read_values(0u, 0u, 0u, local);
        add_scores();
        finish_scores(hides);
        workgroupBarrier();
        update_softmax();
        add_half(0u, hides, local);
        add_half(1u, hides, local);
    }

    if local == 0u {
        atomicStore(&flag, 0u);
    }
    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
        partial[own_at(r, COLUMNS) + column] = bitcast<u32>(sum[r]);
    }
    if infinity_met {
        atomicStore(&flag, 1u);
    }
    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
        let row = line * ROWS + r;
        var total = 0.0;
        for (var c = 0u; c < COLUMNS; c++) {
            total += bitcast<f32>(partial[row * COLUMNS + c]);
        }
        if place.q_first + row < row_limit() {
            write_row(r, total);
        }
    }
    if atomicLoad(&flag) != 0u {
        add_own_infinities();
    }
}
