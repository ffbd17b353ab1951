// Slots `sequences` and `key_lengths`: sequences of different lengths, one behind the other in the rows of one. Starts are ascending, and one more
// than there are sequences; what a start is out of range or order by is cut off.
//   workgroups: sequence s has those from slot(s) to slot(s + 1), slot(s) = ⌊start(s) / Q_TILE⌋ + s, which are enough for its rows;
//   where keys own, by the starts of the keys and K_TILE

var<private> keys: vec2<u32>; // the sequence's first, and the end of them
var<private> rows_begin: u32;
var<private> rows_end: u32;

fn query_start(sequence: u32) -> u32 {
    return min(query_number(sequence), params.q_len);
}

fn key_start_of(sequence: u32) -> u32 {
    return min(key_number(sequence), params.filled);
}

fn slot_of(sequence: u32, of_keys: bool) -> u32 {
    if of_keys {
        return key_start_of(sequence) / K_TILE + sequence;
    }
    return query_start(sequence) / Q_TILE + sequence;
}

// The last sequence that begins no later than this workgroup.
fn sequence_of(group: u32, of_keys: bool) -> u32 {
    var low = 0u;
    var high = params.sequences;
    while high - low > 1u {
        let middle = (low + high) / 2u;
        if slot_of(middle, of_keys) <= group {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

// Fills in where the sequence begins and ends; returns by how much its offsets differ from j − i.
fn enter(sequence: u32) -> i32 {
    let first_key = key_start_of(sequence);
    keys = vec2(first_key, clamp(key_number(sequence + 1u), first_key, params.filled));
    rows_begin = query_start(sequence);
    rows_end = max(query_start(sequence + 1u), rows_begin);
    return params.shift + i32(first_key) - i32(rows_begin);
}

fn placed(group: vec3<u32>) -> Place {
    let sequence = sequence_of(group.x, false);
    let shift = enter(sequence);
    let tile = group.x - min(group.x, slot_of(sequence, false));
    return Place(group.z, group.y, rows_begin + tile * Q_TILE, 0u, shift);
}

// The same of a workgroup that owns keys; `head` is one of keys.
fn placed_keys(group: vec3<u32>) -> Place {
    let sequence = sequence_of(group.x, true);
    let shift = enter(sequence);
    let tile = group.x - min(group.x, slot_of(sequence, true));
    return Place(group.z, group.y, rows_begin, keys.x + tile * K_TILE, shift);
}

fn row_start() -> u32 {
    return rows_begin;
}

fn key_start() -> u32 {
    return keys.x;
}

fn key_limit() -> u32 {
    return keys.y;
}

fn key_row_limit() -> u32 {
    return keys.y;
}

fn row_limit() -> u32 {
    return rows_end;
}
