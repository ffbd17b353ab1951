// Rotary position embedding: pairs of features of each row are turned by an angle that grows with the position.
//   (x, y) → magnitude · (x cos a − y sin a, y cos a + x sin a),  a = (first_position + row) · frequency
// An invocation owns one item of one row: the words that hold one pair or, packed and split in halves, two pairs. So no two
// write the same word, and the output may be the input. Words behind the rotated ones are copied bit for bit.
struct RopeParams {
    input_strides: vec4<u32>,  // in words: batch, head, row
    output_strides: vec4<u32>,
    heads: u32,
    rows: u32,
    items: u32,                // of a row
    rotated_items: u32,
    words: u32,                // of a row
    rotated_words: u32,
    count: u32,                // items of the tensor
    groups: u32,               // workgroups in x
    first_position: i32,       // that of row 0
    magnitude: f32,
}
@group(0) @binding(0) var<uniform> params: RopeParams;
@group(0) @binding(1) var<storage, read> turns: array<vec2<u32>>; // [pairs], turns a position in units of 2^-32 and of 2^-64

fn rotate(pair: vec2<f32>, n: u32, position: i32) -> vec2<f32> {
    let t = sine_and_cosine(fraction_of_turn(turns[n], position)) * params.magnitude;
    return vec2(pair.x * t.y - pair.y * t.x, pair.y * t.y + pair.x * t.x);
}

// The words of a rotated item, counted from the first of the row; twice the same where it has only one.
fn rotated_places(item: u32) -> vec2<u32> {
    if HALF_SPLIT {
        return vec2(item, item + params.rotated_words / 2u);
    }
    return vec2(item * ITEM_WORDS, item * ITEM_WORDS + ITEM_WORDS - 1u);
}

fn rotated_words(words: vec2<u32>, item: u32, position: i32) -> vec2<u32> {
    if !PACKED {
        return bitcast<vec2<u32>>(rotate(bitcast<vec2<f32>>(words), item, position));
    }
    if !HALF_SPLIT {
        return vec2(pack(rotate(unpack(words.x), item, position)));
    }
    let x = unpack(words.x);
    let y = unpack(words.y);
    let first = rotate(vec2(x.x, y.x), 2u * item, position);
    let second = rotate(vec2(x.y, y.y), 2u * item + 1u, position);
    return vec2(pack(vec2(first.x, second.x)), pack(vec2(first.y, second.y)));
}

fn copy_item(from_row: u32, to_row: u32, item: u32) {
    let first = params.rotated_words + (item - params.rotated_items) * ITEM_WORDS;
    for (var word = first; word < min(first + ITEM_WORDS, params.words); word++) {
        write_word(to_row + word, read_word(from_row + word));
    }
}

@compute @workgroup_size(64)
fn rope(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let n = (group.y * params.groups + group.x) * 64u + local;
    if n >= params.count {
        return;
    }
    let item = n % params.items;
    let row = n / params.items % params.rows;
    let plane = n / params.items / params.rows;
    let place = vec3(plane / params.heads, plane % params.heads, row);
    let from_row = dot(place, params.input_strides.xyz);
    let to_row = dot(place, params.output_strides.xyz);
    if item >= params.rotated_items {
        copy_item(from_row, to_row, item);
        return;
    }
    let places = rotated_places(item);
    let words = vec2(read_word(from_row + places.x), read_word(from_row + places.y));
    let rotated = rotated_words(words, item, params.first_position + i32(row));
    write_word(to_row + places.x, rotated.x);
    if ITEM_WORDS == 2u {
        write_word(to_row + places.y, rotated.y);
    }
}
