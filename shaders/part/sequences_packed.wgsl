// Slots `sequences` and `key_lengths`: sequences of different lengths, one behind the other in the rows of one. Starts are ascending, and one more
// than there are sequences; what a start is out of range or order by is cut off.
//   workgroups: sequence s has those from slot(s) to slot(s + 1), slot(s) = ⌊start(s) / Q_TILE⌋ + s, which are enough for its rows
@group(0) @binding(9) var<storage, read> key_starts: array<u32>;    // [S + 1]
@group(0) @binding(11) var<storage, read> query_starts: array<u32>; // [S + 1]

var<private> keys: vec2<u32>; // the sequence's first, and the end of them
var<private> rows_end: u32;

fn query_start(sequence: u32) -> u32 {
    return min(query_starts[sequence], params.q_len);
}

fn slot_of(sequence: u32) -> u32 {
    return query_start(sequence) / Q_TILE + sequence;
}

// The last sequence that begins no later than this workgroup.
fn sequence_of(group: u32) -> u32 {
    var low = 0u;
    var high = params.sequences;
    while high - low > 1u {
        let middle = (low + high) / 2u;
        if slot_of(middle) <= group {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

fn placed(group: vec3<u32>) -> Place {
    let sequence = sequence_of(group.x);
    let first = query_start(sequence);
    let first_key = min(key_starts[sequence], params.filled);
    keys = vec2(first_key, clamp(key_starts[sequence + 1u], first_key, params.filled));
    rows_end = max(query_start(sequence + 1u), first);
    let tile = group.x - min(group.x, slot_of(sequence));
    let shift = params.query_offset + i32(first_key) - i32(first);
    return Place(group.z, group.y, first + tile * Q_TILE, 0u, shift);
}

fn key_start() -> u32 {
    return keys.x;
}

fn key_limit() -> u32 {
    return keys.y;
}

fn row_limit() -> u32 {
    return rows_end;
}
