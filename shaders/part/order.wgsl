// In which order workgroups take tiles.
//   0, n − 1, 1, n − 2, …
// Under a causal mask a tile meets the more, the later its queries are or the earlier its keys. Taken in turns from both ends, every
// run of workgroups has about the same to do, also where a device hands out such runs.
fn in_turn(group: vec3<u32>, count: vec3<u32>) -> vec3<u32> {
    if !CAUSAL {
        return group;
    }
    let half = group.x / 2u;
    return vec3(select(half, count.x - 1u - half, group.x % 2u == 1u), group.yz);
}
