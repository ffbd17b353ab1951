// Slot `owner`: a workgroup owns query rows, and meets keys. Features 0 are q and k, features 1 dO and v.
const OWNS_KEYS = false;

// From row `own` of the workgroup's on.
fn own_placed(group: vec3<u32>, own: u32) {
    place = placed(group + params.first.xyz);
    place.q_first += own;
}

// One, which `own_placed` has set.
fn heads_begin() -> u32 {
    return 0u;
}

fn heads_end() -> u32 {
    return 1u;
}

fn own_head(head: u32) {}

fn other_begin() -> u32 {
    return key_begin();
}

fn other_end() -> u32 {
    return key_end();
}

fn meet(first: u32) {
    place.k_first = first;
}

// Rows of the two sides, counted in the tile, as query and key there.
fn tile_pair(own: u32, other: u32) -> vec2<u32> {
    return vec2(own, other);
}

fn pair(own: u32, other: u32) -> vec2<u32> {
    return vec2(place.q_first + own, place.k_first + other);
}

// The keys that an own row has in range, of eight that are 2^step apart.
fn in_range_of(own: u32, other: u32, step: u32) -> u32 {
    let i = place.q_first + own;
    let j = place.k_first + other;
    return select(0u, range_bits(i, j, step) & bits_before(key_limit(), j, step), i < row_limit());
}

// Queries past the end are not written, so that nothing need be hidden there but from the gradients of the bias.
fn rows_past_end() -> bool {
    return place.q_first + tile_rows() > row_limit();
}

fn load_own(which: u32, row: u32, d: u32) -> vec4<f32> {
    let i = place.q_first + row;
    if which == 0u {
        return load_q(q_row(i), d);
    }
    return load_dout(dout_row(i), d);
}

fn load_other(which: u32, row: u32, d: u32) -> vec4<f32> {
    let j = place.k_first + row;
    if which == 0u {
        return load_k(k_row(j), d);
    }
    return load_v(v_row(j), d);
}

fn write_own(which: u32, row: u32, d: u32, value: vec4<f32>) {
    let i = place.q_first + row;
    if i < row_limit() {
        write_gradient(q_row(i), d, value * params.scale * LN_2);
    }
}
