// Slot `offset_gradient`: the sum of dS at each clamped offset over the rows of a workgroup, from gradients of scores that lie in workgroup
// memory, a part of a tile at a time: GRADIENT_SLOTS keys of every row.
//   near tile:     a thread adds up diagonals, and owns the offsets of one residue class, so that what it adds them to in the workspace
//                  is its own
//   constant tile: a thread adds up its own scores
// The entry has `staged_gradient(row, slot)`; `own_gradients()` of a thread, times the gate; and a place where threads leave numbers for each
// other, when all tiles are done.
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
    add_far(select(-1, 1, first >= radius), own_gradients());
}

fn sum_of_diagonal(diagonal: u32) -> f32 {
    var sum = 0.0;
    for (var row = 0u; row < OWN; row++) {
        let slot = diagonal + row - (OWN - 1u);
        if slot < GRADIENT_SLOTS {
            sum += gated(gate_of(place.q_first + row), staged_gradient(row, slot));
        }
    }
    return sum;
}

fn offset_gradient_part(part: u32, local: u32) {
    if far_tile {
        return;
    }
    let radius = i32(params.radius);
    let first = i32(place.k_first + part * GRADIENT_SLOTS) - i32(place.q_first + OWN - 1u) - place.shift;
    for (var d = (local - bitcast<u32>(first)) % WORKGROUP; d < OWN + GRADIENT_SLOTS - 1u; d += WORKGROUP) {
        let sum = sum_of_diagonal(d);
        let offset = first + i32(d);
        if abs(offset) < radius {
            add_to_workspace(sums_at + u32(offset + radius), sum);
        } else {
            add_far(offset, sum);
        }
    }
}

fn offset_gradient_end(local: u32) {
    workgroupBarrier();
    leave(local, far);
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            leave(local, left_by(local) + left_by(local + half));
        }
    }
    if local == 0u {
        // Of radius 0 there is one sum, which the second write leaves.
        let ends = left_by(0u);
        set_workspace(sums_at + 2u * params.radius, ends.y);
        set_workspace(sums_at, select(ends.x, ends.x + ends.y, params.radius == 0u));
    }
}
