// Slot `fire`: FIRE, f(ψ(|o|) / (ψ(max(L, p)) + ε)) with ψ(x) = ln(|c x| + 1), p the position of the query and f an MLP of one
// number, which is linear between the breakpoints that `fire_table.wgsl` sorts.
//   segments s … s' that a tile can meet, from its smallest and largest distance and position:
//       bias = A[s] · x + C[s] + Σ over breakpoints t between them of change(t) · max(0, x − t)
// A tile mostly lies within one segment, and then this is one multiply-add.

const FIRE = true;
const FIRE_EPSILON = 1e-6 * LOG2_E; // since ψ is taken in base 2 here
const BREAKPOINTS = 2u;
const CHANGES = BREAKPOINTS + FIRE_WIDTH;
const SLOPES = CHANGES + FIRE_WIDTH;
const CONSTANTS = SLOPES + FIRE_WIDTH + 1u;
const FIRE_STRIDE = CONSTANTS + FIRE_WIDTH + 1u;

var<private> fire_c: f32;
var<private> fire_slope: f32;
var<private> fire_constant: f32;
var<private> segment_first: u32;
var<private> segment_last: u32;

fn fire_number(n: u32) -> f32 {
    return segment_number(place.head * FIRE_STRIDE + n);
}

fn psi(c: f32, distance: f32) -> f32 {
    return log2(1.0 + c * distance);
}

fn normalizer_at(position: i32) -> f32 {
    return 1.0 / (psi(fire_number(0u), max(fire_number(1u), f32(position))) + FIRE_EPSILON);
}

fn fire_position(i: u32) -> i32 {
    return i32(i) + place.shift + i32(params.key_offset) - i32(key_start());
}

fn fire_normalizer(i: u32) -> f32 {
    return normalizer_at(fire_position(i));
}

// How many breakpoints are not above x.
fn segment_of(x: f32) -> u32 {
    var low = 0u;
    var high = FIRE_WIDTH;
    while low < high {
        let middle = (low + high) / 2u;
        if fire_number(BREAKPOINTS + middle) <= x {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

fn fire_prepare() {
    fire_c = fire_number(0u);
    let nearest = max(0, max(first_offset(), -last_offset()));
    let farthest = max(abs(first_offset()), abs(last_offset()));
    segment_first = segment_of(psi(fire_c, f32(nearest)) * fire_normalizer(place.q_first + tile_rows() - 1u));
    segment_last = segment_of(psi(fire_c, f32(farthest)) * fire_normalizer(place.q_first));
    fire_slope = fire_number(SLOPES + segment_first);
    fire_constant = fire_number(CONSTANTS + segment_first);
}

fn fire_x(i: u32, j: u32, normalizer: f32) -> f32 {
    return psi(fire_c, f32(abs(i32(j) - i32(i) - place.shift))) * normalizer;
}

// The line of the tile's first segment.
fn fire_of(i: u32, j: u32, normalizer: f32) -> f32 {
    return fma(fire_slope, fire_x(i, j, normalizer), fire_constant);
}

// What the change of the slope adds at one of the breakpoints from `segment_first` to `segment_last`, which the tile meets.
fn fire_bend(s: u32, i: u32, j: u32, normalizer: f32) -> f32 {
    let x = fire_x(i, j, normalizer);
    return fire_number(CHANGES + s) * max(0.0, x - fire_number(BREAKPOINTS + s));
}
