// Slot `offset_gradient`: the sum of dS at each clamped offset over the rows of eight lanes, by shuffles.
//   of eight rows and eight keys, lane m takes the diagonal of one residue class, which is two pieces: offset m from the corner's goes
//   to block 0, and offset m − 8 to the block before it
//   the r-th eight rows lie 8 r further down, so that their blocks are r and r + 1, counted backwards from the corner of the first; the
//   next tile's blocks are those of this one, moved on by one:
//
//       tile t:    block 0   1   2   3   4     the last is complete: no later tile and no row adds to it
//       tile t+1:    block 0   1   2   3   4
//
// A lane's offsets keep to one residue class, so that what it adds them to in the workspace is its own. What lies past the radius stays
// in registers. Tiles follow each other without a gap but where a mask hides whole tiles; there nothing is carried on.
var<private> sums_at: u32;   // of these eight lanes in the workspace
var<private> far: vec2<f32>; // what this lane has at −radius and before, and at radius and past it
var<private> carried: array<f32, ROWS>; // of blocks 0 … ROWS − 1 of the last tile
var<private> block_offset: i32; // of this lane in block 0 of the last tile

const OCTETS = WORKGROUP / LANES;
const GAPS = KEY_MASK || PAIR_MASK;

fn offset_gradient_begin(group: vec3<u32>, local: u32) {
    let width = 2u * params.radius + 1u;
    sums_at = backward.at_offset_partials + (part_of(group) * OCTETS + octet) * width;
    let offset = i32(key_begin() + lane) - i32(place.q_first) - place.shift;
    block_offset = offset; // where no tile is met
    for (var t = bitcast<u32>(offset + i32(params.radius)) % LANES; t + 1u < width; t += LANES) {
        if t > 0u {
            set_workspace(sums_at + t, 0.0);
        }
    }
}

fn add_at(offset: i32, sum: f32) {
    let radius = i32(params.radius);
    if abs(offset) < radius {
        add_to_workspace(sums_at + u32(offset + radius), sum);
    } else {
        far += select(vec2(0.0, sum), vec2(sum, 0.0), offset < 0);
    }
}

// The pieces of this lane's diagonal in eight rows: that of the block before, and its own.
fn pieces(r: u32) -> vec2<f32> {
    var sum = vec2(0.0);
    for (var e = 0u; e < LANES; e++) {
        let ds = subgroupShuffle(gated(bias_rows[r].gate, score[r][e]), octet_first + ((e - lane) & (LANES - 1u)));
        sum += select(vec2(ds, 0.0), vec2(0.0, ds), e >= lane);
    }
    return sum;
}

fn offset_gradient_tile(local: u32) {
    let offset = i32(place.k_first) - i32(place.q_first + own_row(0u) - lane) - place.shift + i32(lane);
    block_offset = offset;
    var before = 0.0; // what the rows above leave to the block of these
    var last = 0.0;   // what the last tile has left to it
    for (var r = 0u; r < ROWS; r++) {
        let sum = pieces(r);
        if GAPS {
            add_at(offset - i32(LANES * r), before + sum.y);
        } else {
            let next = carried[r];
            carried[r] = last + before + sum.y;
            last = next;
        }
        before = sum.x;
    }
    add_at(offset - i32(LANES * ROWS), last + before);
}

fn offset_gradient_end(local: u32) {
    if !GAPS {
        for (var r = 0u; r < ROWS; r++) {
            add_at(block_offset - i32(LANES * r), carried[r]);
        }
    }
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        far += subgroupShuffleXor(far, half);
    }
    if lane == 0u {
        // Of radius 0 there is one sum, which the second write leaves.
        set_workspace(sums_at + 2u * params.radius, far.y);
        set_workspace(sums_at, select(far.x, far.x + far.y, params.radius == 0u));
    }
}
