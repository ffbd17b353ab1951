// Slot `owner`: a workgroup owns key rows, and meets the queries of every head that shares them. Features 0 are k and q, features 1 v
// and dO.
const OWNS_KEYS = true;

// From row `own` of the workgroup's on.
fn own_placed(group: vec3<u32>, own: u32) {
    place = placed_keys(group + params.first.xyz);
    place.k_first += own;
    place.head *= params.group_size;
}

// The first of them, where the loop over them begins.
fn heads_begin() -> u32 {
    return place.head;
}

fn heads_end() -> u32 {
    return place.head + params.group_size;
}

fn own_head(head: u32) {
    place.head = head;
}

fn other_begin() -> u32 {
    return query_begin();
}

fn other_end() -> u32 {
    return query_end();
}

fn meet(first: u32) {
    place.q_first = first;
}

// Rows of the two sides, counted in the tile, as query and key there.
fn tile_pair(own: u32, other: u32) -> vec2<u32> {
    return vec2(other, own);
}

fn pair(own: u32, other: u32) -> vec2<u32> {
    return vec2(place.q_first + other, place.k_first + own);
}

// The queries that have an own row in range, of eight that are 2^step apart.
fn in_range_of(own: u32, other: u32, step: u32) -> u32 {
    let j = place.k_first + own;
    return select(0u, query_range_bits(j, place.q_first + other, step), j < key_limit());
}

// Queries past the end repeat the last, and must not count.
fn rows_past_end() -> bool {
    return place.q_first + tile_rows() > row_limit();
}

fn load_own(which: u32, row: u32, d: u32) -> vec4<f32> {
    let j = place.k_first + row;
    if which == 0u {
        return load_k(k_row(j), d);
    }
    return load_v(v_row(j), d);
}

fn load_other(which: u32, row: u32, d: u32) -> vec4<f32> {
    let i = place.q_first + row;
    if which == 0u {
        return load_q(q_row(i), d);
    }
    return load_dout(dout_row(i), d);
}

fn write_own(which: u32, row: u32, d: u32, value: vec4<f32>) {
    let j = place.k_first + row;
    if j >= key_row_limit() {
        return;
    }
    if which == 0u {
        write_gradient(k_row(j), d, value * params.scale * LN_2);
    } else {
        write_value_gradient(v_row(j), d, value);
    }
}
