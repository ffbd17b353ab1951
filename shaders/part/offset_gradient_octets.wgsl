// Slot `offset_gradient`: the sum of dS at each clamped offset over the rows of eight lanes, by shuffles.
//   of eight rows and eight keys a lane takes the diagonal of one residue class, which is two pieces: offsets m and m − 8 from that of
//   the corner. Tiles are eight keys apart and rows eight times 4, so that a lane's offsets keep to one class, and what it adds
//   them to in the workspace is its own
// What lies past the radius stays in registers. Whether some offset does not is a loop of one round: a branch costs a processor that plays
// the GPU more than it saves.
var<private> sums_at: u32;   // of these eight lanes in the workspace
var<private> far: vec2<f32>; // what this lane has at −radius and before, and at radius and past it

const OCTETS = WORKGROUP / LANES;

fn offset_gradient_begin(group: vec3<u32>, local: u32) {
    let width = 2u * params.radius + 1u;
    let octet = (subgroup_first + lane) / LANES;
    sums_at = backward.at_offset_partials + (part_of(group) * OCTETS + octet) * width;
    let offset = i32(key_begin() + lane % LANES) - i32(place.q_first) - place.shift;
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

fn add_diagonals(r: u32, corner: i32) {
    let m = lane % LANES;
    var pieces = vec2(0.0);
    for (var e = 0u; e < LANES; e++) {
        let ds = subgroupShuffle(bias_rows[r].gate * score[r][e], lane - m + ((e - m) & (LANES - 1u)));
        pieces += select(vec2(ds, 0.0), vec2(0.0, ds), e >= m);
    }
    add_at(corner + i32(m) - i32(LANES), pieces.x);
    add_at(corner + i32(m), pieces.y);
}

fn offset_gradient_tile(local: u32) {
    let radius = i32(params.radius);
    for (var r = 0u; r < ROWS; r++) {
        let corner = i32(place.k_first + lane % LANES) - i32(place.q_first + own_row(r)) - place.shift;
        let near = subgroupAny(corner + 7 > -radius && corner - 7 < radius);
        var sum = 0.0;
        for (var e = 0u; e < LANES; e++) {
            sum += score[r][e];
        }
        sum = select(bias_rows[r].gate * sum, 0.0, near);
        far += select(vec2(0.0, sum), vec2(sum, 0.0), corner < 0);
        for (var once = 0u; once < select(0u, 1u, near); once++) {
            add_diagonals(r, corner);
        }
    }
}

fn offset_gradient_end(local: u32) {
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        far += subgroupShuffleXor(far, half);
    }
    if lane % LANES == 0u {
        let radius = params.radius;
        if radius == 0u {
            set_workspace(sums_at, far.x + far.y);
        } else {
            set_workspace(sums_at, far.x);
            set_workspace(sums_at + 2u * radius, far.y);
        }
    }
}
