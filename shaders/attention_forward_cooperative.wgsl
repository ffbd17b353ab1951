// Fused attention by products of matrices that a subgroup holds together: f16 factors, f32 sums. One workgroup computes Q_TILE
// query rows of one head, and each subgroup a block of SIZE of them.
//   Q in matrices of the subgroup, once
//   for each key tile of which the mask leaves anything:
//       S = Q Kᵀ                                in matrices; through `scores` to the invocations of each row
//       S = scale · S + bias
//       m' = rowmax S where that is past m + STEP, else m;   P = exp2(S − m'), l = l · exp2(m − m') + rowsum P
//       O = O · exp2(m − m')                    through `scores`, and only where some row has another m'
//       O = O + kept(P) V                       in matrices, P in f16
//   out = keep_scale · O / l, lse = (m + log2 l) · ln 2
//
// 1. A matrix can be multiplied by a number, not by one for each row. Hence STEP: while no score is past 2^STEP times the weight of
//    the maximum, that maximum is good enough, since P, at most 2^STEP, keeps all of its digits in f16. Most tiles move none.
//    What is left of f16's range to the upper end, FACTOR, is for weights so small that they would lose digits at the lower one.
// 2. COLUMNS invocations share a row of scores. Each owns runs of 4 or 8 keys, so that what it reads and writes are whole vec4.
// 3. Which subgroup has which size is not known before it runs. LANES is the largest, so that there is one for each block; where
//    they are smaller some have none: they help with all else, multiply what another does, and store nothing. A loop says the latter instead
//    of an `if`, which naga takes for control flow that the invocations of a matrix do not share; around products it would cost
//    registers.
// 4. 26 KiB serve any head dimension: `halves` holds P, a slice of the features of K, and one of those of V, each in its own place, so that
//    little waits for barriers.
// 5. What comes next is on its way while matrices are multiplied: `fetched` is a part of K or V that has been read and not yet been put.
// 6. What each invocation adds to l are weights before they are rounded.
// 7. In an open tile of one bias S stays as the products are, and scale and bias are part of the exponent: exp2(scale · S + (bias − m')). So that
//    the largest S stays the largest, a negative scale is that of negated queries.

const SIZE = ROWS;                                // rows and columns of a matrix
const BLOCKS = min(64u / SIZE, 256u / LANES);     // of rows, in a workgroup
const WORKGROUP = BLOCKS * LANES;
const Q_TILE = BLOCKS * SIZE;
const COLUMNS = LANES / SIZE;
const K_TILE = max(32u, 4u * COLUMNS);
const KEY_BLOCKS = K_TILE / SIZE;
const FOURS = K_TILE / (4u * COLUMNS);            // vec4 of scores of an invocation
const RUN = min(FOURS, 2u);                       // of them with neighbouring keys
const STEP = 8.0;
const FACTOR = 128.0;                             // of P as a matrix

// Features of K and of V are staged in slices of at most 64; with padding, so that rows start in different banks.
const HEAD_BLOCKS = (HEAD_DIM + SIZE - 1u) / SIZE;
const SLICES = (HEAD_DIM + 63u) / 64u;
const SLICE_BLOCKS = (HEAD_BLOCKS + SLICES - 1u) / SLICES;
const SLICE = SLICE_BLOCKS * SIZE / 4u;           // in vec4, as all that follows
const SLICE_STRIDE = SLICE + 2u;
const PADDED = HEAD_DIM % 4u != 0u || HEAD_DIM != 4u * SLICE * SLICES;
const VALUE_BLOCKS = (VALUE_DIM + SIZE - 1u) / SIZE;
const VALUE_SLICES = (VALUE_DIM + 63u) / 64u;
const VALUE_SLICE_BLOCKS = (VALUE_BLOCKS + VALUE_SLICES - 1u) / VALUE_SLICES;
const VALUE_SLICE = VALUE_SLICE_BLOCKS * SIZE / 4u;
const VALUE_PADDED = VALUE_DIM % 4u != 0u || VALUE_DIM != 4u * VALUE_SLICE * VALUE_SLICES;
const P_STRIDE = K_TILE / 4u + 2u;
const KEYS_AT = Q_TILE * P_STRIDE;                // where K lies in `halves`, behind P
const VALUES_AT = KEYS_AT + K_TILE * SLICE_STRIDE; // and V behind that

// What an invocation fetches of a slice of K; the slot `values` says so of V.
const KEY_FOURS = (K_TILE * SLICE + WORKGROUP - 1u) / WORKGROUP;

// O goes through `scores` in spans of as many features as a tile has keys. The last span may have matrices that nothing is added to: indexed
// by anything but sums of constants, they would not stay in registers.
const SPANS = (VALUE_SLICES * VALUE_SLICE_BLOCKS + KEY_BLOCKS - 1u) / KEY_BLOCKS;
const SPAN = K_TILE / 4u;
const SCORE_STRIDE = K_TILE / 4u + 1u;

const SKIPS = KEY_MASK || PAIR_MASK;
const HALVES = max(Q_TILE * SLICE_STRIDE, VALUES_AT + VALUES);
var<workgroup> halves: array<vec4<f16>, HALVES>;
var<workgroup> scores: array<vec4<f32>, Q_TILE * SCORE_STRIDE>; // or a span of O
var<workgroup> key_visible: array<u32, K_TILE>; // 1 or 0
var<workgroup> key_documents_of_tile: array<u32, K_TILE>;
var<workgroup> flag: atomic<u32>;  // not 0 where some row sees some key of the tile; in the end, where an infinity was met
var<workgroup> moved: atomic<u32>; // the end of the last tile in which some row got another maximum

var<private> block: u32;  // of this subgroup; from BLOCKS on there is none
var<private> multiplied: u32; // the block that it multiplies
var<private> row: u32;    // of this invocation, in the tile
var<private> column: u32; // its place in the row
var<private> own_scores: u32; // where the first of its scores are,
var<private> own_weights: u32; // and of its weights
var<private> query_blocks: array<LeftMatrix, SLICES * SLICE_BLOCKS>;
var<private> score_blocks: array<SumMatrix, KEY_BLOCKS>;
var<private> sum_blocks: array<SumMatrix, SPANS * KEY_BLOCKS>;
var<private> fetched: array<vec4<f16>, max(KEY_FOURS, VALUE_FOURS)>;
var<private> score: array<vec4<f32>, FOURS>;
var<private> visible: u32; // a bit for each of these scores
var<private> maximum: f32;
var<private> sum: f32;
var<private> correction: f32;

// How far the n-th vec4 of this invocation in a row is from its first.
fn apart(n: u32) -> u32 {
    return n / RUN * COLUMNS * RUN + n % RUN;
}

// The n-th vec4 of this invocation in a row of scores.
fn four(n: u32) -> u32 {
    return column * RUN + apart(n);
}

// Where an invocation of this row leaves a number for the others: in the first of its scores, which it has taken.
fn left_by(column: u32) -> u32 {
    return row * SCORE_STRIDE + column * RUN;
}

// Queries with the sign of the scale: of what is multiplied by its magnitude, the largest score stays the largest.
fn take_queries(slice: u32, local: u32) {
    workgroupBarrier();
    for (var t = local; t < Q_TILE * SLICE; t += WORKGROUP) {
        let query = q_row(place.q_first + t / SLICE);
        let features = half_q(query, 4u * (slice * SLICE + t % SLICE));
        halves[t / SLICE * SLICE_STRIDE + t % SLICE] = select(features, -features, params.scale < 0.0);
    }
    workgroupBarrier();
    for (var f = 0u; f < SLICE_BLOCKS; f++) {
        let at = multiplied * SIZE * SLICE_STRIDE + f * SIZE / 4u;
        query_blocks[slice * SLICE_BLOCKS + f] = coopLoadT<LeftMatrix>(&halves[at], SLICE_STRIDE);
    }
}

// score_blocks += Q Kᵀ over a slice of the features.
fn add_scores(slice: u32) {
    for (var f = 0u; f < SLICE_BLOCKS; f++) {
        for (var c = 0u; c < KEY_BLOCKS; c++) {
            let keys = coopLoad<RightMatrix>(&halves[KEYS_AT + c * SIZE * SLICE_STRIDE + f * SIZE / 4u], SLICE_STRIDE);
            score_blocks[c] = coopMultiplyAdd(query_blocks[slice * SLICE_BLOCKS + f], keys, score_blocks[c]);
        }
    }
}

// Where only a slice is left, values are fetched next.
fn scores_of_slice(slice: u32, local: u32) {
    if slice > 0u {
        workgroupBarrier();
    } else {
        bias_prepare(local);
    }
    put_keys(local);
    workgroupBarrier();
    if slice + 1u < SLICES {
        fetch_keys(place.k_first, slice + 1u, local);
    } else {
        fetch_values(0u, local);
    }
    add_scores(slice);
}

fn put_scores() {
    for (var own = block; own < BLOCKS; own += BLOCKS) {
        for (var c = 0u; c < KEY_BLOCKS; c++) {
            coopStoreT(score_blocks[c], &scores[multiplied * SIZE * SCORE_STRIDE + c * SIZE / 4u], SCORE_STRIDE);
        }
    }
}

// The keys of this invocation that its row sees, bit n being the n-th of its scores.
fn visible_bits() -> u32 {
    let i = place.q_first + row;
    let document = query_document(i);
    let bits = array<u32, 2>(bits_from(i, place.k_first), bits_from(i, place.k_first + K_TILE - 32u));
    var seen_keys = 0u;
    for (var n = 0u; n < 4u * FOURS; n++) {
        let slot = 4u * four(n / 4u) + n % 4u;
        let bit = bits[slot / 32u] >> (slot % 32u) & key_visible[slot];
        let sees_it = in_range(i, place.k_first + slot) && key_documents_of_tile[slot] == document;
        seen_keys |= select(0u, bit, sees_it) << n;
    }
    return seen_keys;
}

// Prepares for finding what the rows see of a tile that hides something; whether that is anything, for the whole workgroup. Only masks that
// are read can hide all of a tile that is met; else it is found behind the products, which need the registers before.
fn look(local: u32) -> bool {
    workgroupBarrier();
    for (var slot = local; slot < K_TILE; slot += WORKGROUP) {
        key_visible[slot] = select(0u, 1u, visible_key(place.k_first + slot) != 0u);
        key_documents_of_tile[slot] = key_document(place.k_first + slot);
    }
    if local == 0u {
        atomicStore(&flag, 0u);
    }
    workgroupBarrier();
    if !SKIPS {
        return true;
    }
    visible = visible_bits();
    atomicOr(&flag, visible);
    workgroupBarrier();
    return atomicLoad(&flag) != 0u;
}

fn biases(slot: u32, own: RowBias, tile: TileBias) -> vec4<f32> {
    return vec4(
        bias_of(row, slot, own, tile), bias_of(row, slot + 1u, own, tile),
        bias_of(row, slot + 2u, own, tile), bias_of(row, slot + 3u, own, tile));
}

// What scores still lack: a factor, and a bias that is the same for all of the row.
struct Lacking {
    factor: f32,
    bias: f32,
}

// Scales the scores of this invocation and adds their bias. In an open tile of one bias both are left to the exponent, where they cost nothing.
fn add_biases(own: RowBias, hides: bool) -> Lacking {
    let factor = abs(params.scale);
    if bias_constant() {
        let lacking = Lacking(factor, constant_bias(own));
        if !hides {
            return lacking;
        }
        for (var n = 0u; n < FOURS; n++) {
            score[n] = score[n] * lacking.factor + lacking.bias;
        }
    } else {
        let tile = tile_bias(0u, row);
        for (var n = 0u; n < FOURS; n++) {
            score[n] = score[n] * factor + biases(4u * four(n), own, tile);
        }
    }
    return Lacking(1.0, 0.0);
}

fn bend(s: u32, slot: u32, own: RowBias) -> vec4<f32> {
    let i = place.q_first + row;
    let j = place.k_first + slot;
    return vec4(
        fire_bend(s, i, j, own.normalizer), fire_bend(s, i, j + 1u, own.normalizer),
        fire_bend(s, i, j + 2u, own.normalizer), fire_bend(s, i, j + 3u, own.normalizer));
}

fn add_bends() {
    for (var s = segment_first; s < segment_last; s++) {
        let own = row_bias(row);
        for (var n = 0u; n < FOURS; n++) {
            score[n] += bend(s, 4u * four(n), own);
        }
    }
}

fn hidden(score: vec4<f32>, bits: u32) -> vec4<f32> {
    return select(vec4(MASKED), score, (vec4(bits) & vec4(1u, 2u, 4u, 8u)) != vec4(0u));
}

// Takes the scores of this invocation, finishes them but for what they lack, and leaves the largest.
fn finish_scores(hides: bool) -> Lacking {
    for (var n = 0u; n < FOURS; n++) {
        score[n] = scores[own_scores + apart(n)];
    }
    let lacking = add_biases(row_bias(row), hides);
    add_bends();
    if hides && !SKIPS {
        visible = visible_bits();
    }
    var top = vec4(MASKED);
    for (var n = 0u; n < FOURS; n++) {
        if hides {
            score[n] = hidden(score[n], visible >> (4u * n));
        }
        top = max(top, score[n]);
    }
    scores[own_scores].x = max(max(top.x, top.y), max(top.z, top.w));
    return lacking;
}

// Moves the row to a new maximum if it has to, and turns its scores into weights.
fn update_softmax(lacking: Lacking) {
    var largest = LOWEST;
    for (var c = 0u; c < COLUMNS; c++) {
        largest = max(largest, scores[left_by(c)].x);
    }
    let reached = largest * lacking.factor + lacking.bias;
    // LOWEST + STEP is LOWEST.
    let moves = reached > maximum + STEP;
    // Of a row without weights the sums are 0 already.
    if moves && maximum != LOWEST {
        atomicStore(&moved, place.k_first + K_TILE);
    }
    let top = select(maximum, reached, moves);
    correction = exp2(maximum - top);
    maximum = top;
    // Of a bias so large that `reached` lost digits of the scores, as much is lost here: no weight is past 2^STEP.
    let rest = lacking.bias - top;
    let shift = rest - max(largest * lacking.factor + rest - STEP, 0.0);
    var added = vec4(0.0);
    for (var n = 0u; n < FOURS; n++) {
        score[n] = exp2(score[n] * lacking.factor + shift);
        added += score[n];
    }
    sum = sum * correction + (added.x + added.y + added.z + added.w);
}

// A bit for each score of this invocation whose weight is kept.
fn kept_scores() -> u32 {
    let i = place.q_first + row;
    var bits = 0u;
    for (var n = 0u; n < FOURS; n += RUN) {
        bits |= (kept_bits(i, place.k_first + 4u * four(n)) & (0xffu >> (8u - 4u * RUN))) << (4u * n);
    }
    return bits;
}

fn stage_weights() {
    var bits = 0u;
    if DROPOUT {
        bits = kept_scores();
    }
    for (var n = 0u; n < FOURS; n++) {
        var p = score[n];
        if DROPOUT {
            p = select(vec4(0.0), p, (vec4(bits >> (4u * n)) & vec4(1u, 2u, 4u, 8u)) != vec4(0u));
        }
        halves[own_weights + apart(n)] = vec4<f16>(FACTOR * p);
    }
}

// sum_blocks += P V over the staged slice.
fn add_values(slice: u32) {
    for (var c = 0u; c < KEY_BLOCKS; c++) {
        let p = coopLoadT<LeftMatrix>(&halves[multiplied * SIZE * P_STRIDE + c * SIZE / 4u], P_STRIDE);
        for (var f = 0u; f < VALUE_SLICE_BLOCKS; f++) {
            let sum = slice * VALUE_SLICE_BLOCKS + f;
            sum_blocks[sum] = coopMultiplyAdd(p, value_block(c, f), sum_blocks[sum]);
        }
    }
}

fn add_slice(slice: u32, hides: bool, local: u32) {
    workgroupBarrier();
    put_values(hides, local);
    workgroupBarrier();
    fetch_behind(slice, local);
    add_values(slice);
}

fn add_all(hides: bool, local: u32) {
    add_values(0u);
    if VALUE_SLICES > 1u { add_slice(1u, hides, local); }
    if VALUE_SLICES > 2u { add_slice(2u, hides, local); }
    if VALUE_SLICES > 3u { add_slice(3u, hides, local); }
}

fn meet_tile(hides: bool, local: u32) {
    for (var c = 0u; c < KEY_BLOCKS; c++) {
        score_blocks[c] = SumMatrix();
    }
    scores_of_slice(0u, local);
    if SLICES > 1u { scores_of_slice(1u, local); }
    if SLICES > 2u { scores_of_slice(2u, local); }
    if SLICES > 3u { scores_of_slice(3u, local); }
    put_scores();
    workgroupBarrier();
    let lacking = finish_scores(hides);
    if COLUMNS > 1u {
        workgroupBarrier();
    }
    update_softmax(lacking);
    stage_weights();
    put_values(hides, local);
    workgroupBarrier();
    fetch_behind(0u, local);
    if atomicLoad(&moved) == place.k_first + K_TILE {
        correct_all();
    }
    add_all(hides, local);
}

// Meets tiles that hide nothing, up to one that does, and says where that begins. Where masks are read every tile may.
fn meet_open_tiles(begin: u32, end: u32, local: u32) -> u32 {
    var k_first = begin;
    for (; k_first < end; k_first += K_TILE) {
        place.k_first = k_first;
        if tile_hides() {
            break;
        }
        meet_tile(false, local);
    }
    return k_first;
}

@compute @workgroup_size(WORKGROUP)
fn attention_forward_cooperative(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    place = placed(in_turn(group, count) + params.first.xyz);
    find_head();
    find_starts(local);
    block = subgroup;
    multiplied = min(subgroup, BLOCKS - 1u);
    row = local / COLUMNS;
    column = local % COLUMNS;
    own_scores = row * SCORE_STRIDE + four(0u);
    own_weights = row * P_STRIDE + four(0u);
    maximum = LOWEST;
    if local == 0u {
        atomicStore(&moved, 0u);
    }
    take_queries(0u, local);
    if SLICES > 1u { take_queries(1u, local); }
    if SLICES > 2u { take_queries(2u, local); }
    if SLICES > 3u { take_queries(3u, local); }
    for (var f = 0u; f < SPANS * KEY_BLOCKS; f++) {
        sum_blocks[f] = SumMatrix();
    }

    let begin = key_begin();
    let end = key_end();
    if begin < end {
        fetch_keys(begin, 0u, local);
    }
    workgroupBarrier();
    for (var k_first = begin; k_first < end; k_first += K_TILE) {
        k_first = meet_open_tiles(k_first, end, local);
        if k_first >= end {
            break;
        }
        if !look(local) {
            fetch_keys(k_first + K_TILE, 0u, local);
            continue;
        }
        meet_tile(true, local);
    }

    workgroupBarrier();
    if local == 0u {
        atomicStore(&flag, 0u);
    }
    scores[left_by(column)].x = sum;
    workgroupBarrier();
    if infinity_met {
        atomicStore(&flag, 1u);
    }
    var total = 0.0;
    for (var c = 0u; c < COLUMNS; c++) {
        total += scores[left_by(c)].x;
    }
    write_all(total);
    if column == 0u && place.q_first + row < row_limit() {
        write_lse(place.q_first + row, maximum, total);
    }
    workgroupBarrier();
    if atomicLoad(&flag) != 0u {
        add_own_infinities();
    }
}
