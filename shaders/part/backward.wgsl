// What the passes over scores share beside `backward_params.wgsl`: where workgroups are, and rows of statistics and dO.

// The number of a workgroup within its dispatch.
fn part_of(group: vec3<u32>) -> u32 {
    return (group.z * backward.heads + group.y) * backward.tiles + group.x;
}

// Of a query: what its scores have to lose to become logarithms of weights, in base 2, and delta.
fn statistics_of(i: u32) -> vec2<f32> {
    let row = (place.batch * params.heads + place.head) * params.q_len + min(i, params.q_len - 1u);
    let at = backward.at_statistics + 2u * row;
    return vec2(workspace_number(at), workspace_number(at + 1u));
}

// Where a row of dO begins; rows past the end repeat the last.
fn dout_row(i: u32) -> u32 {
    return out_row(min(i, params.q_len - 1u));
}

fn load_dout(row: u32, d: u32) -> vec4<f32> {
    return within(d, read_dout(row, d), VALUE_DIM, VALUE_PADDED);
}
