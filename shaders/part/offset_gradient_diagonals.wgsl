// Slot `offset_gradient`: the sum of dS at each clamped offset over the rows of a workgroup, from weights that lie in workgroup memory.
//   near tile:     a thread adds up one diagonal of half a tile, and owns the offsets of one residue class, so that what it adds
//                  them to in the workspace is its own
//   constant tile: a thread adds up its own scores
// OWN + HALF − 1 diagonals are fewer than threads.
var<private> sums_at: u32;         // of this workgroup in the workspace
var<private> far: vec2<f32>;       // what this thread has at −radius and before, and at radius and past it
var<private> far_tile: bool;

fn offset_gradient_begin(group: vec3<u32>, local: u32) {
    let width = 2u * params.radius + 1u;
    sums_at = backward.at_offset_partials + part_of(group) * width;
    for (var t = (local + params.radius) % WORKGROUP; t + 1u < width; t += WORKGROUP) {
        if t > 0u {
            set_workspace(sums_at + t, 0.0);
        }
    }
}

fn add_far(offset: i32, sum: f32) {
    far += select(vec2(0.0, sum), vec2(sum, 0.0), offset < 0);
}

fn offset_gradient_tile(local: u32) {
    let radius = i32(params.radius);
    let first = i32(place.k_first) - i32(place.q_first + OWN - 1u) - place.shift;
    let last = first + i32(OWN + OTHER) - 2;
    far_tile = first >= radius || last <= -radius;
    if !far_tile {
        return;
    }
    var sum = 0.0;
    for (var r = 0u; r < ROWS; r++) {
        let both = product[0][r][0] + product[0][r][1];
        sum += gate_of(place.q_first + own_row(r)) * ((both.x + both.y) + (both.z + both.w));
    }
    add_far(select(-1, 1, first >= radius), sum);
}

fn offset_gradient_half(half: u32, local: u32) {
    if far_tile {
        return;
    }
    let first = i32(place.k_first + half * HALF) - i32(place.q_first + OWN - 1u) - place.shift;
    let diagonal = (local - bitcast<u32>(first)) % WORKGROUP;
    if diagonal >= OWN + HALF - 1u {
        return;
    }
    var sum = 0.0;
    for (var row = 0u; row < OWN; row++) {
        let slot = diagonal + row - (OWN - 1u);
        if slot < HALF {
            sum += gate_of(place.q_first + row) * tile[row * W_STRIDE + slot % COLUMNS][slot / COLUMNS];
        }
    }
    let radius = i32(params.radius);
    let offset = first + i32(diagonal);
    if abs(offset) < radius {
        add_to_workspace(sums_at + u32(offset + radius), sum);
    } else {
        add_far(offset, sum);
    }
}

fn offset_gradient_end(local: u32) {
    workgroupBarrier();
    partial[local] = far.x;
    partial[WORKGROUP + local] = far.y;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            partial[local] += partial[local + half];
            partial[WORKGROUP + local] += partial[WORKGROUP + local + half];
        }
    }
    if local == 0u {
        let radius = params.radius;
        if radius == 0u {
            set_workspace(sums_at, partial[0] + partial[WORKGROUP]);
        } else {
            set_workspace(sums_at, partial[0]);
            set_workspace(sums_at + 2u * radius, partial[WORKGROUP]);
        }
    }
}
