// Slot `keys`: k and v hold the rows of a sequence one after the other.
fn key_row(s: vec4<u32>, j: u32) -> u32 {
    return place.batch * s.x + place.head / params.group_size * s.y + j * s.z;
}
