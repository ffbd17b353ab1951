// The gradients of fused attention by products of matrices that a subgroup holds together: f16 factors, f32 sums. One workgroup owns OWN
// rows of one side of the scores, and each subgroup a block of SIZE of them.
//   own rows of features 0 and 1 in matrices of the subgroup, once
//   for each tile of the other side's rows of which the mask leaves anything:
//       S = own other'ᵀ of features 0, dP of features 1     in matrices; through `scores` to the invocations of each row
//       P = exp2(scale · S + bias − lse),  dS = P ∘ (dP − delta)
//       queries own:  dQ += dS K,   and the gradients of the bias
//       keys own:     dK += dSᵀ Q,  dV += Pᵀ dO             in matrices, dS and P in f16
// Nobody else adds to what a workgroup owns: no atomics in memory, and the same bits on every run.
//
// 1. The slot `owner` says which side that is; blocks, subgroups without one, invocations and their runs of scores are those of
//    `attention_forward_cooperative.wgsl`.
// 2. P is at most 1 and becomes f16 times FACTOR. Of dS nobody knows the size before it is there: it becomes f16 times 2^exponent, with which
//    the largest finite one so far is below 2^(TOP + 1). Where a larger one comes, the sums get the new exponent too. What is 2^-27 of the
//    largest still has all digits.
// 3. Both sides are staged a slice of features at a time. The other side's lies by row for its product with own rows, and by feature for the
//    sums, since what a matrix has of a column is read at once. With that 18 KiB serve any head dimension.

const SIZE = ROWS;                                // rows and columns of a matrix
const BLOCKS = min(64u / SIZE, 256u / LANES);     // of own rows, in a workgroup
const WORKGROUP = BLOCKS * LANES;
const OWN = BLOCKS * SIZE;
const COLUMNS = LANES / SIZE;
const OTHER = max(32u, 4u * COLUMNS);
const OTHER_BLOCKS = OTHER / SIZE;
const FOURS = OTHER / (4u * COLUMNS);             // vec4 of scores of an invocation
const RUN = min(FOURS, 2u);                       // of them with neighbouring rows of the other side
const Q_TILE = select(OWN, OTHER, OWNS_KEYS);
const K_TILE = select(OTHER, OWN, OWNS_KEYS);
const FACTOR = 16384.0;                           // of P as a matrix
const TOP = 13;                                   // the exponent of the largest dS as a matrix

// Features are staged in slices of at most 32, in vec4, with 8 of padding, so that rows start in different banks.
const HEAD_BLOCKS = (HEAD_DIM + SIZE - 1u) / SIZE;
const HEAD_SLICES = (HEAD_DIM + 31u) / 32u;
const HEAD_SLICE = (HEAD_BLOCKS + HEAD_SLICES - 1u) / HEAD_SLICES; // in matrices
const VALUE_BLOCKS = (VALUE_DIM + SIZE - 1u) / SIZE;
const VALUE_SLICES = (VALUE_DIM + 31u) / 32u;
const VALUE_SLICE = (VALUE_BLOCKS + VALUE_SLICES - 1u) / VALUE_SLICES;
const PADDED = HEAD_DIM % 4u != 0u || HEAD_DIM != HEAD_SLICES * HEAD_SLICE * SIZE;
const VALUE_PADDED = VALUE_DIM % 4u != 0u || VALUE_DIM != VALUE_SLICES * VALUE_SLICE * SIZE;
const STRIDE = 10u;
const FEATURE_STRIDE = OTHER / 4u + 2u;           // of four rows of one feature
const VALUES_FROM = HEAD_SLICES * HEAD_SLICE;     // the matrices of features 1, behind those of features 0
const MATRICES_OF_ROW = VALUES_FROM + VALUE_SLICES * VALUE_SLICE;
const SCORE_STRIDE = OTHER / 4u + 1u;
const WEIGHT_STRIDE = OTHER / 4u;
const OTHERS_AT = OWN * WEIGHT_STRIDE;            // where rows of the other side lie in `halves`, behind weights

const SKIPS = KEY_MASK || PAIR_MASK;
const GRADIENT_SLOTS = OTHER;                     // rows of the other side of which `staged_gradient` knows
var<workgroup> halves: array<vec4<f16>, OTHERS_AT + OTHER * STRIDE>;
var<workgroup> scores: array<vec4<f32>, OWN * SCORE_STRIDE>; // S, then dP, then dS; in the end a slice of the sums
var<workgroup> kept_octets: array<u32, OWN * OTHER / 8u>;
var<workgroup> flag: atomic<u32>;    // not 0 where some row sees some row of the other side
var<workgroup> largest: atomic<u32>; // the largest `magnitude` of a dS of the tile
// Where keys own, of the tile's queries: log-sum-exps less a constant bias, then deltas.
var<workgroup> tile_statistics: array<f32, select(1u, 2u * OTHER, OWNS_KEYS)>;

var<private> block: u32;  // of this subgroup; from BLOCKS on there is none
var<private> multiplied: u32; // the block that it multiplies
var<private> row: u32;    // of this invocation, in the tile
var<private> column: u32; // its place in the row
var<private> own_blocks: array<LeftMatrix, MATRICES_OF_ROW>;
var<private> score_blocks: array<SumMatrix, OTHER_BLOCKS>;
var<private> sum_blocks: array<SumMatrix, select(VALUES_FROM, MATRICES_OF_ROW, OWNS_KEYS)>;
var<private> product: array<array<vec4<f32>, FOURS>, 2>; // S, which becomes the logarithm of P, and dP; then dS and P
var<private> visible: u32; // a bit for each of these scores
var<private> own_statistics: vec2<f32>;
var<private> exponent: i32; // of dS as a matrix

// The n-th vec4 of this invocation in a row of scores.
fn four(n: u32) -> u32 {
    return (n / RUN * COLUMNS + column) * RUN + n % RUN;
}

// Of features 0 and 1: the matrices of a slice.
fn slice_blocks(which: u32) -> u32 {
    return select(VALUE_SLICE, HEAD_SLICE, which == 0u);
}

// The number of the first of them in `own_blocks` and `sum_blocks`.
fn slice_from(which: u32, slice: u32) -> u32 {
    return select(VALUES_FROM + slice * VALUE_SLICE, slice * HEAD_SLICE, which == 0u);
}

fn take_slice(which: u32, slice: u32, local: u32) {
    let width = slice_width(which);
    workgroupBarrier();
    for (var t = local; t < OWN * width; t += WORKGROUP) {
        halves[t / width * STRIDE + t % width] = half_of_own(which, t / width, 4u * (slice * width + t % width));
    }
    workgroupBarrier();
    for (var f = 0u; f < slice_blocks(which); f++) {
        let at = multiplied * SIZE * STRIDE + f * SIZE / 4u;
        own_blocks[slice_from(which, slice) + f] = coopLoadT<LeftMatrix>(&halves[at], STRIDE);
    }
}

fn take_own(local: u32) {
    take_slice(0u, 0u, local);
    if HEAD_SLICES > 1u { take_slice(0u, 1u, local); }
    if HEAD_SLICES > 2u { take_slice(0u, 2u, local); }
    if HEAD_SLICES > 3u { take_slice(0u, 3u, local); }
    take_slice(1u, 0u, local);
    if VALUE_SLICES > 1u { take_slice(1u, 1u, local); }
    if VALUE_SLICES > 2u { take_slice(1u, 2u, local); }
    if VALUE_SLICES > 3u { take_slice(1u, 3u, local); }
}

// The keys or queries of this invocation that its row meets in range and sees, bit n being the n-th of its scores.
fn visible_bits() -> u32 {
    var seen = 0u;
    for (var n = 0u; n < FOURS; n += RUN) {
        var bits = in_range_of(row, 4u * four(n), 0u) & (0xffu >> (8u - 4u * RUN));
        if SKIPS {
            for (var e = 0u; e < 4u * RUN; e++) {
                let at = pair(row, 4u * four(n) + e);
                bits &= ~(select(1u, 0u, visible_key(at.y) != 0u && sees(at.x, at.y)) << e);
            }
        }
        seen |= bits << (4u * n);
    }
    return seen;
}

// Finds what the rows see of a tile that hides something; whether that is anything, for the whole workgroup. Only masks that are
// read can hide all of a tile that is met.
fn look(local: u32) -> bool {
    visible = visible_bits();
    if !SKIPS {
        return true;
    }
    workgroupBarrier();
    if local == 0u {
        atomicStore(&flag, 0u);
    }
    workgroupBarrier();
    atomicOr(&flag, visible);
    workgroupBarrier();
    return atomicLoad(&flag) != 0u;
}

// What dropout keeps of each octet of keys, by queries.
fn stage_kept(local: u32) {
    for (var t = local; t < OWN * OTHER / 8u; t += WORKGROUP) {
        kept_octets[t] = kept_bits(place.q_first + t / (K_TILE / 8u), place.k_first + t % (K_TILE / 8u) * 8u);
    }
}

// score_blocks += own otherᵀ over a slice of the features.
fn add_product(which: u32, slice: u32, local: u32) {
    workgroupBarrier();
    stage_rows(which, slice, local);
    if which == 0u && slice == 0u {
        bias_prepare(local);
        if OWNS_KEYS {
            stage_statistics(local);
        }
        if DROPOUT {
            stage_kept(local);
        }
        if local == 0u {
            atomicStore(&largest, 0u);
        }
    }
    workgroupBarrier();
    for (var f = 0u; f < slice_blocks(which); f++) {
        for (var c = 0u; c < OTHER_BLOCKS; c++) {
            let at = OTHERS_AT + c * SIZE * STRIDE + f * SIZE / 4u;
            let others = coopLoad<RightMatrix>(&halves[at], STRIDE);
            score_blocks[c] = coopMultiplyAdd(own_blocks[slice_from(which, slice) + f], others, score_blocks[c]);
        }
    }
}

fn clear_products() {
    for (var c = 0u; c < OTHER_BLOCKS; c++) {
        score_blocks[c] = SumMatrix();
    }
}

// From the matrices to the invocations of each row.
fn take_products(which: u32) {
    for (var own = block; own < BLOCKS; own += BLOCKS) {
        for (var c = 0u; c < OTHER_BLOCKS; c++) {
            coopStoreT(score_blocks[c], &scores[multiplied * SIZE * SCORE_STRIDE + c * SIZE / 4u], SCORE_STRIDE);
        }
    }
    workgroupBarrier();
    for (var n = 0u; n < FOURS; n++) {
        product[which][n] = scores[row * SCORE_STRIDE + four(n)];
    }
}

// S and dP of a tile.
fn multiply(local: u32) {
    clear_products();
    add_product(0u, 0u, local);
    if HEAD_SLICES > 1u { add_product(0u, 1u, local); }
    if HEAD_SLICES > 2u { add_product(0u, 2u, local); }
    if HEAD_SLICES > 3u { add_product(0u, 3u, local); }
    take_products(0u);
    clear_products();
    add_product(1u, 0u, local);
    if VALUE_SLICES > 1u { add_product(1u, 1u, local); }
    if VALUE_SLICES > 2u { add_product(1u, 2u, local); }
    if VALUE_SLICES > 3u { add_product(1u, 3u, local); }
    take_products(1u);
}

// The values whose bit is set, of others 0.
fn shown(values: vec4<f32>, bits: u32) -> vec4<f32> {
    return select(vec4(0.0), values, (vec4(bits) & vec4(1u, 2u, 4u, 8u)) != vec4(0u));
}

fn kept_bit(other: u32) -> u32 {
    let at = tile_pair(row, other);
    return (kept_octets[at.x * (K_TILE / 8u) + at.y / 8u] >> (at.y % 8u)) & 1u;
}

fn kept_of_four(slot: u32) -> u32 {
    return kept_bit(slot) | kept_bit(slot + 1u) << 1u | kept_bit(slot + 2u) << 2u | kept_bit(slot + 3u) << 3u;
}

// From the logarithm of P and dP to dS and P. Kept weights are scaled when the sums are written.
fn differentiate(n: u32, hides: bool) {
    let slot = 4u * four(n);
    let p = exp2(product[0][n]);
    var dp = product[1][n];
    var weight = p;
    if DROPOUT {
        let kept = kept_of_four(slot);
        weight = shown(p, kept);
        dp = shown(dp * keep_scale(), kept);
    }
    var ds = p * (dp - statistics_of_four(slot)[1]);
    if hides {
        weight = shown(weight, visible >> (4u * n));
        ds = shown(ds, visible >> (4u * n));
    }
    product[0][n] = ds;
    product[1][n] = weight;
}

// The largest of four, by their bits without signs and with exponents greater by one. That of what is not finite becomes 0: such a dS makes its
// own row not finite, and must not make others 0.
fn magnitude(value: vec4<f32>) -> u32 {
    let bits = (bitcast<vec4<u32>>(value) << vec4(1u)) + vec4(1u << 24u);
    return max(max(bits.x, bits.y), max(bits.z, bits.w));
}

// Turns the scores of this invocation into gradients, for the other invocations too.
fn finish_scores(hides: bool) {
    add_biases();
    add_bends();
    var top = 0u;
    for (var n = 0u; n < FOURS; n++) {
        differentiate(n, hides);
        top = max(top, magnitude(product[0][n]));
        scores[row * SCORE_STRIDE + four(n)] = product[0][n];
    }
    atomicMax(&largest, top);
}

// Where a larger dS than any before has come, the sums that dS adds to get its exponent.
fn update_exponent() {
    let fitting = TOP + 128 - i32(atomicLoad(&largest) >> 24u);
    if fitting >= exponent {
        return;
    }
    workgroupBarrier(); // so that compilers leave the branch, which is seldom taken; all come here or none
    let less = ldexp(1.0, max(fitting - exponent, -126));
    for (var f = 0u; f < VALUES_FROM; f++) {
        sum_blocks[f] = sum_blocks[f] * less;
    }
    exponent = fitting;
}

fn stage_weights(which: u32) {
    let factor = select(FACTOR, ldexp(1.0, exponent), which == 0u);
    for (var n = 0u; n < FOURS; n++) {
        halves[row * WEIGHT_STRIDE + four(n)] = vec4<f16>(factor * product[which][n]);
    }
}

// sum_blocks += weights other over a slice of the features: dS with features 0, P with features 1.
fn add_slice(which: u32, slice: u32, hides: bool, local: u32) {
    workgroupBarrier();
    if slice == 0u {
        stage_weights(which);
    }
    stage_features(which, slice, hides, local);
    workgroupBarrier();
    for (var c = 0u; c < OTHER_BLOCKS; c++) {
        let weights = coopLoadT<LeftMatrix>(&halves[multiplied * SIZE * WEIGHT_STRIDE + c * SIZE / 4u], WEIGHT_STRIDE);
        for (var f = 0u; f < slice_blocks(which); f++) {
            let at = OTHERS_AT + f * SIZE * FEATURE_STRIDE + c * SIZE / 4u;
            let others = coopLoad<RightMatrix>(&halves[at], FEATURE_STRIDE);
            let sum = slice_from(which, slice) + f;
            sum_blocks[sum] = coopMultiplyAdd(weights, others, sum_blocks[sum]);
        }
    }
}

fn add_to_sums(hides: bool, local: u32) {
    add_slice(0u, 0u, hides, local);
    if HEAD_SLICES > 1u { add_slice(0u, 1u, hides, local); }
    if HEAD_SLICES > 2u { add_slice(0u, 2u, hides, local); }
    if HEAD_SLICES > 3u { add_slice(0u, 3u, hides, local); }
    if OWNS_KEYS {
        add_slice(1u, 0u, hides, local);
        if VALUE_SLICES > 1u { add_slice(1u, 1u, hides, local); }
        if VALUE_SLICES > 2u { add_slice(1u, 2u, hides, local); }
        if VALUE_SLICES > 3u { add_slice(1u, 3u, hides, local); }
    }
}

// For the slot `offset_gradient`: dS of a tile, of an invocation, and numbers that invocations leave for each other in the end.
fn staged_gradient(row: u32, slot: u32) -> f32 {
    return scores[row * SCORE_STRIDE + slot / 4u][slot % 4u];
}

fn own_gradients() -> f32 {
    var sum = vec4(0.0);
    for (var n = 0u; n < FOURS; n++) {
        sum += product[0][n];
    }
    return gated(gate_of(place.q_first + row), (sum.x + sum.y) + (sum.z + sum.w));
}

fn leave(local: u32, numbers: vec2<f32>) {
    scores[local] = vec4(numbers, 0.0, 0.0);
}

fn left_by(local: u32) -> vec2<f32> {
    return scores[local].xy;
}

fn meet_tile(hides: bool, local: u32) {
    multiply(local);
    finish_scores(hides);
    workgroupBarrier();
    update_exponent();
    offset_gradient_tile(local);
    offset_gradient_part(0u, local);
    add_to_sums(hides, local);
}

fn write_slice(which: u32, slice: u32, factor: f32) {
    let width = slice_width(which);
    workgroupBarrier();
    for (var own = block; own < BLOCKS; own += BLOCKS) {
        for (var f = 0u; f < slice_blocks(which); f++) {
            let at = multiplied * SIZE * SCORE_STRIDE + f * SIZE / 4u;
            coopStoreT(sum_blocks[slice_from(which, slice) + f], &scores[at], SCORE_STRIDE);
        }
    }
    workgroupBarrier();
    for (var c = column; c < width; c += COLUMNS) {
        write_own(which, row, 4u * (slice * width + c), factor * scores[row * SCORE_STRIDE + c]);
    }
}

fn write_rows() {
    let factor = ldexp(1.0, -exponent);
    write_slice(0u, 0u, factor);
    if HEAD_SLICES > 1u { write_slice(0u, 1u, factor); }
    if HEAD_SLICES > 2u { write_slice(0u, 2u, factor); }
    if HEAD_SLICES > 3u { write_slice(0u, 3u, factor); }
    if OWNS_KEYS {
        let kept = keep_scale() / FACTOR;
        write_slice(1u, 0u, kept);
        if VALUE_SLICES > 1u { write_slice(1u, 1u, kept); }
        if VALUE_SLICES > 2u { write_slice(1u, 2u, kept); }
        if VALUE_SLICES > 3u { write_slice(1u, 3u, kept); }
    }
}

// Meets tiles that hide nothing, up to one that does, and says where that begins.
fn meet_open_tiles(begin: u32, end: u32, local: u32) -> u32 {
    var first = begin;
    for (; first < end; first += OTHER) {
        meet(first);
        if tile_hides() || rows_past_end() {
            break;
        }
        meet_tile(false, local);
    }
    return first;
}

fn meet_others(local: u32) {
    let end = other_end();
    for (var first = other_begin(); first < end; first += OTHER) {
        first = meet_open_tiles(first, end, local);
        if first >= end {
            break;
        }
        if !look(local) {
            continue;
        }
        meet_tile(true, local);
    }
}

@compute @workgroup_size(WORKGROUP)
fn attention_backward_cooperative(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    let group = in_turn(workgroup, count);
    own_placed(group, 0u);
    block = subgroup;
    multiplied = min(subgroup, BLOCKS - 1u);
    row = local / COLUMNS;
    column = local % COLUMNS;
    exponent = 126;
    offset_gradient_begin(group, local);
    take_own(local);
    find_apart(local);
    for (var f = 0u; f < select(VALUES_FROM, MATRICES_OF_ROW, OWNS_KEYS); f++) {
        sum_blocks[f] = SumMatrix();
    }
    if !OWNS_KEYS {
        own_statistics = statistics_of(place.q_first + row);
    }
    let heads = heads_end();
    for (var head = heads_begin(); head < heads; head++) {
        own_head(head);
        find_others();
        meet_others(local);
    }
    write_rows();
    offset_gradient_end(local);
}
