// The gradients of fused attention: one workgroup owns OWN rows of one side, queries or keys, and meets the other side in tiles.
//   for each tile of the other side of which the mask leaves anything:
//       S = scale · q · k + bias,  dP = dO · v        in fragments of ROWS × 8 scores a thread, 16 features at a time
//       P = exp2(S − lse),  dS = P · (dP − delta)
//       queries own:  dQ += dS K, and what each score adds to the gradients of the bias
//       keys own:     dK += dSᵀ Q,  dV += Pᵀ dO
// Nobody else adds to what a workgroup owns: no atomics, and the same bits on every run.
//
// 1. The slot `owner` says which side that is. A row of a side has features 0, q or k, and features 1, dO or v.
// 2. Threads form the grid of `attention_forward.wgsl`: thread x of a row has the other side's rows x, x + 8, x + 16 and x + 24 in each
//    half of a tile, and of 32 features 4x … 4x + 3.
// 3. P comes from the log-sum-exp of the forward pass, not from sums of its own: every score once, in any order.
const OWN = WORKGROUP / COLUMNS * ROWS;
const OTHER = 2u * HALF;
const Q_TILE = select(OWN, OTHER, OWNS_KEYS);
const K_TILE = select(OTHER, OWN, OWNS_KEYS);

const OTHERS_AT = OWN * SLICE_STRIDE;

// Sums take one pass over half a tile for FEATURES vec4 a thread: SPAN of them in a row, PIECE columns of weights at a time.
const WIDEST = max(HEAD_DIM, VALUE_DIM);
const FEATURES = select(2u, 1u, WIDEST <= 32u);
const SPAN = FEATURES * COLUMNS;
const PASSES = (WIDEST + 4u * SPAN - 1u) / (4u * SPAN);
const PIECE = COLUMNS / FEATURES;
const W_STRIDE = COLUMNS + 1u;
const PIECES_AT = OWN * W_STRIDE;
const PADDED = HEAD_DIM % (4u * SPAN) != 0u || VALUE_DIM != HEAD_DIM;
const VALUE_PADDED = VALUE_DIM % (4u * SPAN) != 0u || VALUE_DIM != HEAD_DIM;

const SKIPS = KEY_MASK || PAIR_MASK;
const GRADIENT_SLOTS = HALF;
const TILE = max(OTHERS_AT + OTHER * SLICE_STRIDE, PIECES_AT + 4u * PIECE * SPAN);
var<workgroup> tile: array<vec4<f32>, TILE>;
var<workgroup> partial: array<f32, WORKGROUP * ROWS>; // a number of each thread for each of its rows
var<workgroup> flag: atomic<u32>; // not 0 where some row sees some row of the other side

var<private> product: array<array<array<vec4<f32>, 2>, ROWS>, 2>; // S and dP, then dS and P
var<private> visible: array<u32, ROWS>; // a bit for each score of a row, first those of the first half
var<private> statistics: array<array<vec4<f32>, 2>, 2>; // lse and delta, of the other side where keys own
var<private> own_statistics: array<vec2<f32>, ROWS>;
var<private> sums: array<array<array<vec4<f32>, FEATURES>, ROWS * PASSES>, 2>;
var<private> row_numbers: array<f32, ROWS>; // of this thread for the slot `score_gradient`
// 0, where a loop begins that compilers would unroll together with the loop around it if they saw it, for a quarter more registers.
var<private> unseen: u32;

fn own_row(r: u32) -> u32 {
    return line * ROWS + r;
}

// What half of a tile gives a thread: 8 rows of the other side, here the four from this one on.
fn other_row(half: u32) -> vec4<u32> {
    return vec4(half * HALF + column) + vec4(0u, COLUMNS, 2u * COLUMNS, 3u * COLUMNS);
}

// The other rows of this thread that are in range of an own row, and that it sees, bit n being row x + 8 n.
fn visible_bits(r: u32) -> u32 {
    var seen = in_range_of(own_row(r), column, firstTrailingBit(COLUMNS));
    if SKIPS {
        for (var n = 0u; n < 8u; n++) {
            let at = pair(own_row(r), column + n * COLUMNS);
            seen &= ~(select(1u, 0u, visible_key(at.y) != 0u && sees(at.x, at.y)) << n);
        }
    }
    return seen;
}

// Finds what the rows see of a tile that hides something; whether that is anything, for the whole workgroup. Only masks that are
// read can hide all of a tile that is met.
fn look(local: u32) -> bool {
    if SKIPS {
        workgroupBarrier();
        if local == 0u {
            atomicStore(&flag, 0u);
        }
        workgroupBarrier();
    }
    var any = 0u;
    for (var r = 0u; r < ROWS; r++) {
        visible[r] = visible_bits(r);
        any |= visible[r];
    }
    if !SKIPS {
        return true;
    }
    atomicOr(&flag, any);
    workgroupBarrier();
    return uniform_condition(atomicLoad(&flag) != 0u, local);
}

// What a thread stages next, read while the products of what is staged are added up.
const OWN_AHEAD = OWN / LINES;
const OTHER_AHEAD = OTHER / LINES;
const PIECE_AHEAD = 4u * PIECE * SPAN / WORKGROUP;
var<private> ahead: array<vec4<f32>, OWN_AHEAD + OTHER_AHEAD>;

// A slice of the features of both sides.
fn read_slice(which: u32, slice: u32, local: u32) {
    let row = local / SLICE;
    let d = 4u * (slice * SLICE + local % SLICE);
    for (var n = 0u; n < OWN_AHEAD; n++) {
        ahead[n] = load_own(which, row + n * LINES, d);
    }
    for (var n = 0u; n < OTHER_AHEAD; n++) {
        ahead[OWN_AHEAD + n] = load_other(which, row + n * LINES, d);
    }
}

fn stage_slice(local: u32) {
    workgroupBarrier();
    let at = local / SLICE * SLICE_STRIDE + local % SLICE;
    for (var n = 0u; n < OWN_AHEAD; n++) {
        tile[at + n * LINES * SLICE_STRIDE] = ahead[n];
    }
    for (var n = 0u; n < OTHER_AHEAD; n++) {
        tile[OTHERS_AT + at + n * LINES * SLICE_STRIDE] = ahead[OWN_AHEAD + n];
    }
    workgroupBarrier();
}

fn add_slice(which: u32) {
    for (var c = unseen; c < SLICE; c++) {
        var own: array<vec4<f32>, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
            own[r] = tile[own_at(r, SLICE_STRIDE) + c];
        }
        for (var half = 0u; half < 2u; half++) {
            for (var n = 0u; n < 4u; n++) {
                let other = tile[OTHERS_AT + (half * HALF + n * COLUMNS + column) * SLICE_STRIDE + c];
                for (var r = 0u; r < ROWS; r++) {
                    product[which][r][half][n] = add_product(own[r], other, product[which][r][half][n]);
                }
            }
        }
    }
}

// product = own otherᵀ but for the last slice, which is left staged.
fn multiply(which: u32, slices: u32, local: u32) {
    for (var r = 0u; r < ROWS; r++) {
        product[which][r][0] = vec4(0.0);
        product[which][r][1] = vec4(0.0);
    }
    for (var slice = 1u; slice < slices; slice++) {
        stage_slice(local);
        read_slice(which, slice, local);
        add_slice(which);
    }
    stage_slice(local);
}

fn bias_of_pair(r: u32, other: u32) -> f32 {
    let at = tile_pair(own_row(r), other);
    return bias_of(at.x, at.y, row_bias(at.x), TileBias(vec2(0.0), vec2(0u)));
}

fn row_bias_of(r: u32, other: u32) -> RowBias {
    return row_bias(tile_pair(own_row(r), other).x);
}

fn bias_of_four(r: u32, half: u32) -> vec4<f32> {
    let o = other_row(half);
    return vec4(bias_of_pair(r, o.x), bias_of_pair(r, o.y), bias_of_pair(r, o.z), bias_of_pair(r, o.w));
}

// The same in a tile of one bias.
fn constant_of_four(r: u32, half: u32) -> vec4<f32> {
    let o = other_row(half);
    return vec4(
        constant_bias(row_bias_of(r, o.x)), constant_bias(row_bias_of(r, o.y)),
        constant_bias(row_bias_of(r, o.z)), constant_bias(row_bias_of(r, o.w)));
}

fn bend_of(s: u32, r: u32, other: u32) -> f32 {
    let at = pair(own_row(r), other);
    return fire_bend(s, at.x, at.y, row_bias_of(r, other).normalizer);
}

fn add_bends() {
    for (var s = segment_first; s < segment_last; s++) {
        for (var r = 0u; r < ROWS; r++) {
            for (var half = 0u; half < 2u; half++) {
                let o = other_row(half);
                product[0][r][half] += vec4(bend_of(s, r, o.x), bend_of(s, r, o.y), bend_of(s, r, o.z), bend_of(s, r, o.w));
            }
        }
    }
}

// The values whose bit is set, of others 0.
fn shown(values: vec4<f32>, bits: u32) -> vec4<f32> {
    return select(vec4(0.0), values, (vec4(bits) & vec4(1u, 2u, 4u, 8u)) != vec4(0u));
}

// What dropout keeps of each octet of keys, by queries; bytes, which f32 holds exactly.
fn stage_kept(local: u32) {
    workgroupBarrier();
    for (var t = local; t < OWN * OTHER / 8u; t += WORKGROUP) {
        let bits = kept_bits(place.q_first + t / (K_TILE / 8u), place.k_first + t % (K_TILE / 8u) * 8u);
        partial[t] = f32(bits);
    }
}

fn kept_of_pair(r: u32, other: u32) -> f32 {
    let at = tile_pair(own_row(r), other);
    let bits = u32(partial[at.x * (K_TILE / 8u) + at.y / 8u]);
    return select(0.0, keep_scale(), ((bits >> (at.y % 8u)) & 1u) != 0u);
}

fn kept_of_four(r: u32, half: u32) -> vec4<f32> {
    let o = other_row(half);
    return vec4(kept_of_pair(r, o.x), kept_of_pair(r, o.y), kept_of_pair(r, o.z), kept_of_pair(r, o.w));
}

// From S and dP to dS and P.
fn differentiate(r: u32, half: u32, hides: bool) {
    var lse = vec4(own_statistics[r].x);
    var delta = vec4(own_statistics[r].y);
    if OWNS_KEYS {
        lse = statistics[0][half];
        delta = statistics[1][half];
    }
    var p = exp2(product[0][r][half] - lse);
    var dp = product[1][r][half];
    var weight = p;
    if DROPOUT {
        let kept = kept_of_four(r, half);
        weight = p * kept;
        dp = select(vec4(0.0), dp * kept, kept != vec4(0.0));
    }
    var ds = p * (dp - delta);
    if hides {
        weight = shown(weight, visible[r] >> (4u * half));
        ds = shown(ds, visible[r] >> (4u * half));
    }
    product[0][r][half] = ds;
    product[1][r][half] = weight;
}

// Scales and biases the scores. One branch is for all of a tile.
fn add_biases() {
    if bias_constant() {
        for (var r = 0u; r < ROWS; r++) {
            for (var half = 0u; half < 2u; half++) {
                product[0][r][half] = product[0][r][half] * params.scale + constant_of_four(r, half);
            }
        }
        return;
    }
    // Halves outside, for LLVM 19 on processors with AVX-512 (Mesa 25.0): some kernels in f16 with an index matrix end it the other way
    // around ("Cannot emit physreg copy instruction").
    for (var half = 0u; half < 2u; half++) {
        for (var r = 0u; r < ROWS; r++) {
            product[0][r][half] = product[0][r][half] * params.scale + bias_of_four(r, half);
        }
    }
}

fn finish_scores(hides: bool) {
    add_biases();
    add_bends();
    for (var r = 0u; r < ROWS; r++) {
        for (var half = 0u; half < 2u; half++) {
            differentiate(r, half, hides);
        }
    }
}

// Half of the weights: element x of a row holds those of x, x + 8, x + 16 and x + 24 of the half.
fn stage_weights(which: u32, half: u32) {
    for (var r = 0u; r < ROWS; r++) {
        tile[own_at(r, W_STRIDE) + column] = product[which][r][half];
    }
}

// The other side's rows of PIECE columns of weights, those of a column PIECE rows apart.
fn read_piece(which: u32, span: u32, half: u32, piece: u32, local: u32) {
    let d = 4u * (span * SPAN + local % SPAN);
    for (var n = 0u; n < PIECE_AHEAD; n++) {
        let slot = local / SPAN + n * (WORKGROUP / SPAN);
        let row = piece * PIECE + slot % PIECE + slot / PIECE * COLUMNS;
        ahead[n] = load_other(which, half * HALF + row, d);
    }
}

fn stage_piece(hides: bool, local: u32) {
    workgroupBarrier();
    for (var n = 0u; n < PIECE_AHEAD; n++) {
        tile[PIECES_AT + local + n * WORKGROUP] = without_infinity(ahead[n], hides);
    }
    workgroupBarrier();
}

// What is staged after a piece, if anything is.
fn read_next_piece(which: u32, span: u32, half: u32, piece: u32, local: u32) {
    if piece + 1u < FEATURES {
        read_piece(which, span, half, piece + 1u, local);
    } else if span + 1u < PASSES {
        read_piece(which, span + 1u, half, 0u, local);
    } else if half == 0u {
        read_piece(which, 0u, 1u, 0u, local);
    } else if which == 0u && OWNS_KEYS {
        read_piece(1u, 0u, 0u, 0u, local);
    }
}

fn add_piece(which: u32, span: u32, piece: u32) {
    for (var c = 0u; c < PIECE; c++) {
        var weights: array<vec4<f32>, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
            weights[r] = tile[own_at(r, W_STRIDE) + piece * PIECE + c];
        }
        for (var f = 0u; f < FEATURES; f++) {
            for (var n = 0u; n < 4u; n++) {
                let other = tile[PIECES_AT + (n * PIECE + c) * SPAN + f * COLUMNS + column];
                for (var r = 0u; r < ROWS; r++) {
                    sums[which][span * ROWS + r][f] = fma(vec4(weights[r][n]), other, sums[which][span * ROWS + r][f]);
                }
            }
        }
    }
}

// For the slot `offset_gradient`: dS of half a tile while it is staged, of a thread, and numbers that threads leave for each other.
fn staged_gradient(row: u32, slot: u32) -> f32 {
    return tile[row * W_STRIDE + slot % COLUMNS][slot / COLUMNS];
}

fn own_gradients() -> f32 {
    var sum = 0.0;
    for (var r = 0u; r < ROWS; r++) {
        let both = product[0][r][0] + product[0][r][1];
        sum += gated(gate_of(place.q_first + own_row(r)), (both.x + both.y) + (both.z + both.w));
    }
    return sum;
}

fn leave(local: u32, numbers: vec2<f32>) {
    partial[local] = numbers.x;
    partial[WORKGROUP + local] = numbers.y;
}

fn left_by(local: u32) -> vec2<f32> {
    return vec2(partial[local], partial[WORKGROUP + local]);
}

fn add_span(which: u32, span: u32, half: u32, hides: bool, local: u32) {
    for (var piece = 0u; piece < FEATURES; piece++) {
        stage_piece(hides, local);
        read_next_piece(which, span, half, piece, local);
        add_piece(which, span, piece);
    }
}

// sums += weights other, over half a tile: dS with features 0, P with features 1.
fn add_half(which: u32, half: u32, hides: bool, local: u32) {
    workgroupBarrier();
    stage_weights(which, half);
    if which == 0u {
        workgroupBarrier();
        offset_gradient_part(half, local);
    }
    add_span(which, 0u, half, hides, local);
    if PASSES > 1u { add_span(which, 1u, half, hides, local); }
    if PASSES > 2u { add_span(which, 2u, half, hides, local); }
    if PASSES > 3u { add_span(which, 3u, half, hides, local); }
}

fn read_statistics() {
    for (var half = 0u; half < 2u; half++) {
        let o = vec4(place.q_first) + other_row(half);
        let a = statistics_of(o.x);
        let b = statistics_of(o.y);
        let c = statistics_of(o.z);
        let d = statistics_of(o.w);
        statistics[0][half] = vec4(a.x, b.x, c.x, d.x);
        statistics[1][half] = vec4(a.y, b.y, c.y, d.y);
    }
}

// Adds up the numbers of a row over the threads that have it.
fn add_up_rows(local: u32) {
    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
        partial[own_at(r, COLUMNS) + column] = row_numbers[r];
    }
    workgroupBarrier();
    for (var r = 0u; r < ROWS; r++) {
        var total = 0.0;
        for (var c = 0u; c < COLUMNS; c++) {
            total += partial[own_at(r, COLUMNS) + c];
        }
        row_numbers[r] = total;
    }
}

// Whether this thread is the one of a row that writes for it.
fn writes_row() -> bool {
    return column == 0u;
}

fn add_score_gradients() {
    for (var r = 0u; r < ROWS; r++) {
        for (var n = 0u; n < 8u; n++) {
            score_gradient(r, own_row(r), column + n * COLUMNS, product[0][r][n / 4u][n % 4u]);
        }
    }
}

fn meet_tile(hides: bool, local: u32) {
    bias_prepare(local);
    if DROPOUT {
        stage_kept(local);
    }
    read_slice(0u, 0u, local);
    multiply(0u, (HEAD_DIM + 15u) / 16u, local);
    read_slice(1u, 0u, local);
    add_slice(0u);
    multiply(1u, (VALUE_DIM + 15u) / 16u, local);
    read_piece(0u, 0u, 0u, 0u, local);
    add_slice(1u);
    if OWNS_KEYS {
        read_statistics();
    }
    finish_scores(hides);
    offset_gradient_tile(local);
    if SCORE_GRADIENT {
        add_score_gradients();
    }
    add_half(0u, 0u, hides, local);
    add_half(0u, 1u, hides, local);
    if OWNS_KEYS {
        add_half(1u, 0u, hides, local);
        add_half(1u, 1u, hides, local);
    }
}

fn meet_others(local: u32) {
    let end = uniform_number(other_end(), local);
    for (var first = uniform_number(other_begin(), local); first < end; first += OTHER) {
        meet(first);
        let hides = uniform_condition(tile_hides() || rows_past_end(), local);
        if hides && !look(local) {
            continue;
        }
        meet_tile(hides, local);
    }
}

fn write_rows(which: u32) {
    for (var r = 0u; r < ROWS; r++) {
        for (var n = 0u; n < PASSES; n++) {
            for (var f = 0u; f < FEATURES; f++) {
                write_own(which, own_row(r), 4u * (n * SPAN + f * COLUMNS + column), sums[which][n * ROWS + r][f]);
            }
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn attention_backward(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let group = in_turn(workgroup, count);
    own_placed(group, 0u);
    column = local % COLUMNS;
    line = local / COLUMNS;
    unseen = select(0u, 1u, params.k_len == 0u);
    offset_gradient_begin(group, local);
    score_gradient_begin(group, local);
    if !OWNS_KEYS {
        for (var r = 0u; r < ROWS; r++) {
            own_statistics[r] = statistics_of(place.q_first + own_row(r));
        }
    }
    let heads = uniform_number(heads_end(), local);
    for (var head = uniform_number(heads_begin(), local); head < heads; head++) {
        own_head(head);
        meet_others(local);
        score_gradient_head(local);
    }
    write_rows(0u);
    if OWNS_KEYS {
        write_rows(1u);
    }
    offset_gradient_end(local);
    score_gradient_end(local);
}
