// Slot `family`: T5, table[bucket(offset)][head].
fn family(head: u32, offset: i32) -> vec2<f32> {
    return vec2(parameter(bucket_of(offset, params.count, params.per_direction), head), 0.0);
}
