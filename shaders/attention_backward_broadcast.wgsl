// The gradients of fused attention by subgroup: one invocation owns ROWS rows of one side, queries or keys, and the subgroup reads each row
// of the other side once for all of its lanes.
//   for each LANES rows of the other side of which the mask leaves anything, lane e holding the features of row e:
//       S[r][e] = scale · q · k + bias,  dP[r][e] = dO · v        with shuffle(other, e)
//       P = exp2(S − lse),  dS = P · (dP − delta)
//       queries own:  dQ[r] += Σ dS[r][e] · k, and what each score adds to the gradients of the bias
//       keys own:     dK[r] += Σ dS[r][e] · q,  dV[r] += Σ P[r][e] · dO
//
// 1. The slot `owner` says which side that is. A row of a side has features 0, q or k, and features 1, dO or v.
// 2. All else as in `attention_forward_broadcast.wgsl`: registers, shuffles, any subgroup of LANES to WORKGROUP lanes, each with a tile
//    of its own, octets, no barrier. But a lane keeps its row of the other side, which the sums read again.
const OWN = WORKGROUP * ROWS;
const OTHER = LANES;
const Q_TILE = select(OWN, OTHER, OWNS_KEYS);
const K_TILE = select(OTHER, OWN, OWNS_KEYS);

var<private> octet: u32;           // of the workgroup
var<private> other_first: u32;     // row of the other side
var<private> own: array<array<array<vec4<f32>, ROWS>, BLOCK>, BLOCKS>;
var<private> own_values: array<array<array<vec4<f32>, ROWS>, VALUE_BLOCK>, VALUE_BLOCKS>;
var<private> sums: array<array<array<vec4<f32>, ROWS>, BLOCK>, BLOCKS>;
var<private> value_sums: array<array<array<vec4<f32>, ROWS>, VALUE_BLOCK>, VALUE_BLOCKS>;
var<private> others: array<array<vec4<f32>, BLOCK>, BLOCKS>; // features of this lane's row of the other side
var<private> other_values: array<array<vec4<f32>, VALUE_BLOCK>, VALUE_BLOCKS>;
var<private> score: array<array<f32, LANES>, ROWS>; // S, then dS
var<private> change: array<array<f32, LANES>, ROWS>; // dP, then the weights
var<private> visible: array<u32, ROWS>; // a bit for each score of a row
var<private> kept_of_row: array<u32, ROWS>; // by dropout, likewise
var<private> bias_rows: array<RowBias, ROWS>;
var<private> statistics: array<vec2<f32>, ROWS>;
var<private> row_numbers: array<f32, ROWS>; // for the slot `score_gradient`
// Of the other side, where keys own.
var<private> other_bias_rows: array<RowBias, LANES>;
var<private> other_statistics: array<vec2<f32>, LANES>;

fn tile_rows() -> u32 {
    return select(subgroup_rows, OTHER, OWNS_KEYS);
}

fn tile_keys() -> u32 {
    return select(OTHER, subgroup_rows, OWNS_KEYS);
}

fn read_own() {
    for (var b = 0u; b < BLOCKS; b++) {
        for (var c = 0u; c < BLOCK; c++) {
            for (var r = 0u; r < ROWS; r++) {
                let d = 4u * (b * BLOCK + c);
                if d < HEAD_DIM {
                    own[b][c][r] = load_own(0u, own_row(r), d);
                }
            }
        }
    }
    for (var b = 0u; b < VALUE_BLOCKS; b++) {
        for (var c = 0u; c < VALUE_BLOCK; c++) {
            for (var r = 0u; r < ROWS; r++) {
                let d = 4u * (b * VALUE_BLOCK + c);
                if d < VALUE_DIM {
                    own_values[b][c][r] = load_own(1u, own_row(r), d);
                }
            }
        }
    }
}

fn read_others(hides: bool) {
    for (var b = 0u; b < BLOCKS; b++) {
        for (var c = 0u; c < BLOCK; c++) {
            let d = 4u * (b * BLOCK + c);
            if d < HEAD_DIM {
                others[b][c] = bounded(load_other(0u, lane, d), hides);
            }
        }
    }
    for (var b = 0u; b < VALUE_BLOCKS; b++) {
        for (var c = 0u; c < VALUE_BLOCK; c++) {
            let d = 4u * (b * VALUE_BLOCK + c);
            if d < VALUE_DIM {
                other_values[b][c] = bounded(load_other(1u, lane, d), hides);
            }
        }
    }
}

// What a tile needs of its queries, where they are the other side.
fn read_other_rows() {
    let bias = row_bias(lane);
    let own_statistics = statistics_of(place.q_first + lane);
    for (var e = 0u; e < LANES; e++) {
        other_bias_rows[e] = RowBias(subgroupShuffle(bias.gate, e), subgroupShuffle(bias.normalizer, e));
        other_statistics[e] = subgroupShuffle(own_statistics, e);
    }
}

fn dot_into(sum: f32, x: vec4<f32>, y: vec4<f32>) -> f32 {
    return fma(x.x, y.x, fma(x.y, y.y, fma(x.z, y.z, fma(x.w, y.w, sum))));
}

// score = S, change = dP, but for scale and bias
fn multiply() {
    for (var r = 0u; r < ROWS; r++) {
        for (var e = 0u; e < LANES; e++) {
            score[r][e] = 0.0;
            change[r][e] = 0.0;
        }
    }
    for (var b = 0u; b < BLOCKS; b++) {
        for (var c = 0u; c < BLOCK; c++) {
            for (var e = 0u; e < LANES; e++) {
                let y = subgroupShuffle(others[b][c], e + unseen);
                for (var r = 0u; r < ROWS; r++) {
                    score[r][e] = dot_into(score[r][e], own[b][c][r], y);
                }
            }
        }
    }
    for (var b = 0u; b < VALUE_BLOCKS; b++) {
        for (var c = 0u; c < VALUE_BLOCK; c++) {
            for (var e = 0u; e < LANES; e++) {
                let y = subgroupShuffle(other_values[b][c], e + unseen);
                for (var r = 0u; r < ROWS; r++) {
                    change[r][e] = dot_into(change[r][e], own_values[b][c][r], y);
                }
            }
        }
    }
}

// Finds what this invocation's rows see of a tile that hides something; whether that is anything.
fn look() -> bool {
    var any = 0u;
    for (var r = 0u; r < ROWS; r++) {
        visible[r] = 0u;
        for (var e = 0u; e < LANES; e++) {
            let at = pair(own_row(r), e);
            let seen = visible_key(at.y) != 0u && sees(at.x, at.y) && at.x < row_limit();
            visible[r] |= select(0u, 1u, seen) << e;
        }
        any |= visible[r];
    }
    return any != 0u;
}

// The next tile of which some row of the subgroup sees something, from this one on, and whether it hides something; a loop of its own
// as in the forward pass.
fn next_tile(end: u32) -> bool {
    loop {
        meet(other_first);
        if other_first >= end {
            return false;
        }
        if !(tile_hides() || rows_past_end()) {
            return false;
        }
        if subgroupAny(look()) {
            return true;
        }
        other_first += OTHER;
    }
    return false;
}

fn query_of(r: u32, e: u32) -> RowBias {
    if OWNS_KEYS {
        return other_bias_rows[e];
    }
    return bias_rows[r];
}

fn statistics_of_pair(r: u32, e: u32) -> vec2<f32> {
    if OWNS_KEYS {
        return other_statistics[e];
    }
    return statistics[r];
}

fn tile_bias_of(r: u32) -> TileBias {
    if OWNS_KEYS {
        return TileBias(offset_strip(r, own_row(r)), vec2(0u));
    }
    return tile_bias(r, own_row(r));
}

fn add_bias(r: u32) {
    let tile = tile_bias_of(r);
    for (var e = 0u; e < LANES; e++) {
        let at = tile_pair(own_row(r), e);
        score[r][e] = fma(score[r][e], params.scale, bias_of(at.x, at.y, query_of(r, e), tile));
    }
}

// The same in a tile of one bias.
fn add_constant(r: u32) {
    for (var e = 0u; e < LANES; e++) {
        score[r][e] = fma(score[r][e], params.scale, constant_bias(query_of(r, e)));
    }
}

fn add_bends() {
    for (var s = segment_first; s < segment_last; s++) {
        for (var r = 0u; r < ROWS; r++) {
            for (var e = 0u; e < LANES; e++) {
                let at = pair(own_row(r), e);
                score[r][e] += fire_bend(s, at.x, at.y, query_of(r, e).normalizer);
            }
        }
    }
}

// The bits of a row's weights that dropout keeps. Eight lanes own eight keys, and meet eight queries: each lane asks for one of them.
fn find_kept(r: u32) {
    if OWNS_KEYS {
        let bits = kept_bits(place.q_first + lane, place.k_first + own_row(r) - lane);
        kept_of_row[r] = 0u;
        for (var e = 0u; e < LANES; e++) {
            kept_of_row[r] |= ((subgroupShuffle(bits, octet_first + e) >> lane) & 1u) << e;
        }
    } else {
        kept_of_row[r] = kept_bits(place.q_first + own_row(r), place.k_first);
    }
}

// From S and dP to dS and the weights.
fn differentiate(r: u32, hides: bool) {
    for (var e = 0u; e < LANES; e++) {
        let of_query = statistics_of_pair(r, e);
        let p = exp2(score[r][e] - of_query.x);
        var weight = p;
        if DROPOUT {
            let kept = ((kept_of_row[r] >> e) & 1u) != 0u;
            weight = select(0.0, weight * keep_scale(), kept);
            change[r][e] = select(0.0, change[r][e] * keep_scale(), kept);
        }
        var ds = p * (change[r][e] - of_query.y);
        if hides {
            let seen = ((visible[r] >> e) & 1u) != 0u;
            ds = select(0.0, ds, seen);
            weight = select(0.0, weight, seen);
        }
        score[r][e] = ds;
        change[r][e] = weight;
    }
}

// As in the forward pass, one branch for all rows; and what is kept has a loop of its own, because the generator has one inside, which
// would keep the others from being unrolled.
fn finish_scores(hides: bool) {
    if DROPOUT {
        for (var r = 0u; r < ROWS; r++) {
            find_kept(r);
        }
    }
    if bias_constant() {
        for (var r = 0u; r < ROWS; r++) {
            add_constant(r);
        }
    } else {
        for (var r = 0u; r < ROWS; r++) {
            add_bias(r);
        }
    }
    if FIRE {
        add_bends();
    }
    for (var r = 0u; r < ROWS; r++) {
        differentiate(r, hides);
    }
}

// sums += dS other, and value_sums += weights other_values where keys own.
fn add_sums() {
    for (var b = 0u; b < BLOCKS; b++) {
        for (var c = 0u; c < BLOCK; c++) {
            for (var e = 0u; e < LANES; e++) {
                let y = subgroupShuffle(others[b][c], e + unseen);
                for (var r = 0u; r < ROWS; r++) {
                    sums[b][c][r] = fma(vec4(score[r][e]), y, sums[b][c][r]);
                }
            }
        }
    }
    if OWNS_KEYS {
        for (var b = 0u; b < VALUE_BLOCKS; b++) {
            for (var c = 0u; c < VALUE_BLOCK; c++) {
                for (var e = 0u; e < LANES; e++) {
                    let y = subgroupShuffle(other_values[b][c], e + unseen);
                    for (var r = 0u; r < ROWS; r++) {
                        value_sums[b][c][r] = fma(vec4(change[r][e]), y, value_sums[b][c][r]);
                    }
                }
            }
        }
    }
}

// A row is one invocation's.
fn add_up_rows(local: u32) {}

fn writes_row() -> bool {
    return true;
}

fn add_score_gradients() {
    for (var r = 0u; r < ROWS; r++) {
        for (var e = 0u; e < LANES; e++) {
            score_gradient(r, own_row(r), e, score[r][e]);
        }
    }
}

fn meet_others(local: u32) {
    let end = other_end();
    for (var first = other_begin(); first < end; first = other_first + OTHER) {
        other_first = first;
        meet(first);
        var hides = tile_hides() || rows_past_end();
        if hides {
            hides = next_tile(end);
        }
        if other_first >= end {
            break;
        }
        bias_prepare(local);
        read_others(hides);
        if OWNS_KEYS {
            read_other_rows();
        }
        multiply();
        finish_scores(hides);
        offset_gradient_tile(local);
        if SCORE_GRADIENT {
            add_score_gradients();
        }
        add_sums();
        read_ahead();
    }
}

fn write_rows() {
    sums[0][0][0].x = needing_ahead(sums[0][0][0].x);
    for (var b = 0u; b < BLOCKS; b++) {
        for (var c = 0u; c < BLOCK; c++) {
            for (var r = 0u; r < ROWS; r++) {
                write_own(0u, own_row(r), 4u * (b * BLOCK + c), sums[b][c][r]);
            }
        }
    }
    if OWNS_KEYS {
        for (var b = 0u; b < VALUE_BLOCKS; b++) {
            for (var c = 0u; c < VALUE_BLOCK; c++) {
                for (var r = 0u; r < ROWS; r++) {
                    write_own(1u, own_row(r), 4u * (b * VALUE_BLOCK + c), value_sums[b][c][r]);
                }
            }
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn attention_backward_broadcast(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
    @builtin(subgroup_size) subgroup_size: u32,
) {
    begin_octet(subgroup_lane, subgroup_size);
    let subgroup_first = subgroupMin(local);
    octet = (subgroup_first + subgroup_lane) / LANES;
    let group = in_turn(workgroup, count);
    own_placed(group, subgroup_first * ROWS);
    offset_gradient_begin(group, local);
    score_gradient_begin(group, local);
    if !OWNS_KEYS {
        for (var r = 0u; r < ROWS; r++) {
            bias_rows[r] = row_bias(own_row(r));
            statistics[r] = statistics_of(place.q_first + own_row(r));
        }
    }
    read_own();
    let heads = heads_end();
    for (var head = heads_begin(); head < heads; head++) {
        own_head(head);
        meet_others(local);
        score_gradient_head(local);
    }
    write_rows();
    offset_gradient_end(local);
    score_gradient_end(local);
}
