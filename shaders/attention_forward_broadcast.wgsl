// Fused attention by subgroup: one invocation owns ROWS query rows, and the subgroup reads each key once for all of its lanes.
//   for each LANES keys of which the mask leaves anything, lane e holding the features of key e:
//       S[r][e] = scale · q[r] · shuffle(k, e) + bias
//       m' = max S if that is STEP or more above m, else m;  P = exp2(S − m'),  l = l · exp2(m − m') + sum P
//       O[r] = O[r] · exp2(m − m') + Σ kept(P[r][e]) · shuffle(v, e)
//   out = keep_scale · O / l, lse = (m + log2 l) · ln 2
//
// 1. Queries, scores and sums stay in registers; there is no workgroup memory and no barrier.
// 2. Any subgroup of LANES to WORKGROUP lanes will do; more lanes read the same keys again. Invocations of a subgroup are taken to
//    have neighbouring numbers in the workgroup, in whatever order: WGSL does not say so, but processors that play a GPU do it.
//    Eight lanes, an octet, own 8 · ROWS neighbouring rows, lane by lane and then r by r, and pass on biases among themselves. The rows
//    of a subgroup are a tile of their own: it meets the keys that these rows see, and no others of the workgroup's.
// 3. Private arrays are indexed by constants once the loops are unrolled; drivers unroll a loop whose count is the size of the
//    array that it walks, up to 32, hence the blocks.
// 4. From the softmax of a tile to its end nothing branches but to rescale: compilers move a sum behind a branch to where it is next
//    used, and until then keep all of its products. Sums are passed as arrays, so that drivers see the index of the loop that they
//    stand in.
// 5. Keys and values are shuffled by e + `unseen`, a 0 that compilers do not see: one instruction each, where for lanes that they know
//    LLVM makes two of most.
// 6. Queries are read, and outputs written, feature by feature of all rows of an invocation: the rows lie apart, and what one access
//    waits for from memory the next ones ask for meanwhile.
// 7. Numbers of the next tile's cache lines are read ahead, all at once: keys and values that no cache holds any more would else be waited
//    for line by line. Lanes read line after line, as processors expect it of a stream, and `unseen` keeps what they read.
// 8. Rows past the last are computed like it and not written: a lane that returned early could not pass keys on.
// 9. A dispatch may meet a stretch of the keys alone, one that all of its workgroups find in a cache, and go on from what the
//    dispatch before has written: after every stretch `out` and `lse` are those of the keys so far.
const Q_TILE = WORKGROUP * ROWS;
const K_TILE = LANES;
const STEP = 8.0; // as in `attention_forward_cooperative.wgsl`

var<private> query: array<array<array<vec4<f32>, ROWS>, BLOCK>, BLOCKS>;
var<private> sums: array<array<array<vec4<f32>, ROWS>, VALUE_BLOCK>, VALUE_BLOCKS>;
var<private> score: array<array<f32, LANES>, ROWS>; // then the weights
var<private> maximum: array<f32, ROWS>;
var<private> corrections: array<f32, ROWS>;
var<private> sum: array<f32, ROWS>;
var<private> own: array<RowBias, ROWS>;
var<private> documents: array<u32, ROWS>; // of the queries
var<private> visible: array<u32, ROWS>;   // a bit for each score of a row
var<private> kept_keys: array<u32, ROWS>; // a bit for each weight of a row that dropout keeps

// The subgroup's tile. Its keys are met by all octets alike.
fn tile_rows() -> u32 {
    return subgroup_rows;
}

fn tile_keys() -> u32 {
    return K_TILE;
}

fn read_queries() {
    for (var b = 0u; b < BLOCKS; b++) {
        for (var c = 0u; c < BLOCK; c++) {
            for (var r = 0u; r < ROWS; r++) {
                let d = 4u * (b * BLOCK + c);
                if d < HEAD_DIM {
                    query[b][c][r] = load_q(q_row(place.q_first + own_row(r)), d);
                }
            }
        }
    }
}

fn add_scores(key: vec4<f32>, b: u32, c: u32) {
    for (var e = 0u; e < LANES; e++) {
        let y = subgroupShuffle(key, e + unseen);
        for (var r = 0u; r < ROWS; r++) {
            let x = query[b][c][r];
            score[r][e] = fma(x.x, y.x, fma(x.y, y.y, fma(x.z, y.z, fma(x.w, y.w, score[r][e]))));
        }
    }
}

// score = Q Kᵀ
fn score_keys(j: u32) {
    let row = k_row(j);
    for (var r = 0u; r < ROWS; r++) {
        for (var e = 0u; e < LANES; e++) {
            score[r][e] = 0.0;
        }
    }
    for (var b = 0u; b < BLOCKS; b++) {
        for (var c = 0u; c < BLOCK; c++) {
            let d = 4u * (b * BLOCK + c);
            if d < HEAD_DIM {
                add_scores(load_k(row, d), b, c);
            }
        }
    }
}

// Finds what this invocation's rows see of a tile that hides something, its key having been looked at; whether that is anything.
fn look(key: u32, document: u32) -> bool {
    var keys = 0u;
    for (var e = 0u; e < LANES; e++) {
        keys |= select(0u, 1u, subgroupShuffle(key, e) != 0u) << e;
    }
    for (var r = 0u; r < ROWS; r++) {
        let i = place.q_first + own_row(r);
        visible[r] = keys & range_bits(i, place.k_first, 0u) & bits_from(i, place.k_first);
    }
    if DOCUMENTS {
        for (var e = 0u; e < LANES; e++) {
            let key_document = subgroupShuffle(document, e);
            for (var r = 0u; r < ROWS; r++) {
                visible[r] &= ~(select(1u, 0u, key_document == documents[r]) << e);
            }
        }
    }
    var any = 0u;
    for (var r = 0u; r < ROWS; r++) {
        any |= visible[r];
    }
    return any != 0u;
}

// Of a key of the tile, or of one behind it: which is 0 for its features, 1 for its value's.
fn load_other(which: u32, key: u32, d: u32) -> vec4<f32> {
    let j = place.k_first + key;
    if which == 0u {
        return load_k(k_row(j), d);
    }
    return load_v(v_row(j), d);
}

// The next key tile of which some row of the subgroup sees something, from this one on, and whether it hides something. A loop of its
// own, because some drivers run every branch of a loop's body whether anybody takes it or not, but leave a loop; and others run the
// body of a loop once, so that only tiles that hide something ask.
fn next_tile(end: u32) -> bool {
    loop {
        if place.k_first >= end {
            return false;
        }
        if !tile_hides() {
            return false;
        }
        let j = place.k_first + lane;
        if subgroupAny(look(visible_key(j), key_document(j))) {
            return true;
        }
        place.k_first += K_TILE;
    }
    return false;
}

// Scales and biases the scores of a row.
fn add_bias(r: u32, row: u32) {
    let tile = tile_bias(r, row);
    for (var e = 0u; e < LANES; e++) {
        score[r][e] = fma(score[r][e], params.scale, bias_of(row, e, own[r], tile));
    }
}

// The same in a tile of one bias.
fn add_constant(r: u32) {
    for (var e = 0u; e < LANES; e++) {
        score[r][e] = fma(score[r][e], params.scale, constant_bias(own[r]));
    }
}

fn add_bends() {
    for (var s = segment_first; s < segment_last; s++) {
        for (var r = 0u; r < ROWS; r++) {
            for (var e = 0u; e < LANES; e++) {
                score[r][e] += fire_bend(s, place.q_first + own_row(r), place.k_first + e, own[r].normalizer);
            }
        }
    }
}

fn hide(r: u32, hides: bool) {
    let seen = select(~0u, visible[r], hides);
    for (var e = 0u; e < LANES; e++) {
        score[r][e] = select(MASKED, score[r][e], ((seen >> e) & 1u) != 0u);
    }
}

// Turns the scores of a row into weights, and moves it to its new maximum where weights would reach 2^STEP: few tiles after the first
// then rescale any sums. FlashAttention-4 does so.
fn update_softmax(r: u32) {
    var top = maximum[r];
    for (var e = 0u; e < LANES; e++) {
        top = max(top, score[r][e]);
    }
    top = select(top, maximum[r], top < maximum[r] + STEP);
    let correction = exp2(maximum[r] - top);
    var added = 0.0; // by itself first: an eighth of the roundings at the size of the sum
    for (var e = 0u; e < LANES; e++) {
        let p = weight(score[r][e], top);
        score[r][e] = p;
        added += p;
    }
    maximum[r] = top;
    sum[r] = fma(sum[r], correction, added);
    corrections[r] = correction;
}

// Finds which weights of a tile are kept; apart from the loops that walk scores, which a loop within would keep from being unrolled.
fn find_kept() {
    for (var r = 0u; r < ROWS; r++) {
        kept_keys[r] = kept_bits(place.q_first + own_row(r), place.k_first);
    }
}

// Leaves out weights that are summed already.
fn drop_weights(r: u32) {
    for (var e = 0u; e < LANES; e++) {
        score[r][e] = select(0.0, score[r][e], ((kept_keys[r] >> e) & 1u) != 0u);
    }
}

// Turns scores into weights. One branch is for all rows: what lies between two, drivers neither order well nor keep in registers.
fn weigh(hides: bool) {
    if bias_constant() && !hides {
        for (var r = 0u; r < ROWS; r++) {
            add_constant(r);
        }
    } else {
        for (var r = 0u; r < ROWS; r++) {
            add_bias(r, own_row(r));
            if !FIRE { hide(r, hides); }
        }
    }
    if FIRE {
        add_bends();
        for (var r = 0u; r < ROWS; r++) {
            hide(r, hides);
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        update_softmax(r);
        if DROPOUT { drop_weights(r); }
    }
}

fn moved() -> bool {
    var any = false;
    for (var r = 0u; r < ROWS; r++) {
        any |= corrections[r] != 1.0;
    }
    return any;
}

// sums · correction
fn rescale() {
    if !moved() {
        return;
    }
    for (var b = 0u; b < VALUE_BLOCKS; b++) {
        for (var c = 0u; c < VALUE_BLOCK; c++) {
            for (var r = 0u; r < ROWS; r++) {
                sums[b][c][r] *= corrections[r];
            }
        }
    }
}

// sums + P V, for four features of each key.
fn add_products(before: array<vec4<f32>, ROWS>, value: vec4<f32>) -> array<vec4<f32>, ROWS> {
    var total = before;
    for (var e = 0u; e < LANES; e++) {
        let y = subgroupShuffle(value, e + unseen);
        for (var r = 0u; r < ROWS; r++) {
            total[r] = fma(vec4(score[r][e]), y, total[r]);
        }
    }
    return total;
}

fn add_values(j: u32, hides: bool) {
    let row = v_row(j);
    for (var b = 0u; b < VALUE_BLOCKS; b++) {
        for (var c = 0u; c < VALUE_BLOCK; c++) {
            let d = 4u * (b * VALUE_BLOCK + c);
            if d < VALUE_DIM {
                sums[b][c] = add_products(sums[b][c], bounded(load_v(row, d), hides));
            }
        }
    }
}

// Goes on from the output and the log-sum-exp of the keys before: their weights, divided by their sum, have a sum of 1.
fn resume_rows() {
    for (var r = 0u; r < ROWS; r++) {
        let i = min(place.q_first + own_row(r), params.q_len - 1u);
        let before = lse[(place.batch * params.heads + place.head) * params.q_len + i];
        let unseen_so_far = bitcast<u32>(before) == bitcast<u32>(params.empty_lse);
        maximum[r] = select(before * LOG2_E, LOWEST, unseen_so_far);
        sum[r] = select(1.0, 0.0, unseen_so_far);
    }
    for (var b = 0u; b < VALUE_BLOCKS; b++) {
        for (var c = 0u; c < VALUE_BLOCK; c++) {
            for (var r = 0u; r < ROWS; r++) {
                let i = min(place.q_first + own_row(r), params.q_len - 1u);
                sums[b][c][r] = read_out(out_row(i), 4u * (b * VALUE_BLOCK + c)) / keep_scale();
            }
        }
    }
}

fn write_rows() {
    for (var b = 0u; b < VALUE_BLOCKS; b++) {
        for (var c = 0u; c < VALUE_BLOCK; c++) {
            for (var r = 0u; r < ROWS; r++) {
                let i = place.q_first + own_row(r);
                if i < row_limit() {
                    let value = select(keep_scale() * (sums[b][c][r] / sum[r]), vec4(0.0), sum[r] == 0.0);
                    write_features(out_row(i), 4u * (b * VALUE_BLOCK + c), value);
                }
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        let i = place.q_first + own_row(r);
        if i < row_limit() {
            write_lse(i, maximum[r], sum[r]);
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn attention_forward_broadcast(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
    @builtin(subgroup_size) subgroup_size: u32,
) {
    begin_octet(subgroup_lane, subgroup_size);
    place = placed(in_turn(group, count) + params.first.xyz);
    place.q_first += subgroupMin(local) * ROWS;
    for (var r = 0u; r < ROWS; r++) {
        maximum[r] = LOWEST;
        own[r] = row_bias(own_row(r));
        documents[r] = query_document(place.q_first + own_row(r));
    }
    read_queries();

    let begin = max(key_begin(), params.keys_first);
    let end = min(key_end(), params.keys_end);
    // As a condition of uniforms alone, Mesa 22.3 would compile the kernel anew with their values for each dispatch.
    let resumes = lane + params.keys_first >= LANES;
    if resumes {
        resume_rows();
    }
    for (var k_first = begin; k_first < end; k_first = place.k_first + K_TILE) {
        place.k_first = k_first;
        var hides = tile_hides();
        if hides {
            hides = next_tile(end);
        }
        if place.k_first >= end {
            break;
        }
        let j = place.k_first + lane;
        bias_prepare(local);
        if DROPOUT { find_kept(); }
        score_keys(j);
        weigh(hides);
        rescale();
        add_values(j, hides);
        read_ahead();
    }

    sum[0] = needing_ahead(sum[0]);
    if (begin < end) | !resumes {
        write_rows();
    }
    if subgroupAny(infinity_bits != 0u) {
        for (var r = 0u; r < ROWS; r++) {
            let i = place.q_first + own_row(r);
            for (var d = 0u; d < VALUE_DIM && i < row_limit(); d += 4u) {
                add_infinities(i, d);
            }
        }
    }
}
