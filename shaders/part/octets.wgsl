// What the kernels by subgroup have alike: octets of lanes, blocks of features, and reading ahead.
//   octet o of a subgroup owns rows 8 · ROWS · o to 8 · ROWS · (o + 1) of the subgroup's, lane by lane and then r by r
const LANES = 8u;
const WORKGROUP = 32u;
const BLOCK = min(16u, (HEAD_DIM + 3u) / 4u);        // vec4 of features
const BLOCKS = (HEAD_DIM + 4u * BLOCK - 1u) / (4u * BLOCK);
const VALUE_BLOCK = min(16u, (VALUE_DIM + 3u) / 4u);
const VALUE_BLOCKS = (VALUE_DIM + 4u * VALUE_BLOCK - 1u) / (4u * VALUE_BLOCK);
const PADDED = HEAD_DIM % 4u != 0u;
const VALUE_PADDED = VALUE_DIM % 4u != 0u;
const LINE = 16u; // features of f32 in a cache line
const LINES = (HEAD_DIM + LINE - 1u) / LINE;
const VALUE_LINES = (VALUE_DIM + LINE - 1u) / LINE;

var<private> lane: u32;          // in the octet
var<private> octet_first: u32;   // lane of the subgroup
var<private> subgroup_rows: u32; // that its invocations own
var<private> unseen: u32;        // 0
var<private> ahead: u32;         // something of what was read ahead

fn begin_octet(subgroup_lane: u32, subgroup_size: u32) {
    lane = subgroup_lane % LANES;
    octet_first = subgroup_lane - lane;
    subgroup_rows = subgroup_size * ROWS;
    unseen = select(0u, 1u, params.k_len == 0u);
}

// The r-th row of this invocation, in the tile.
fn own_row(r: u32) -> u32 {
    return octet_first * ROWS + r * LANES + lane;
}

// Reads a number of each cache line of the eight rows behind the tile: rows that no cache holds any more would else be waited for line
// by line. Lanes read line after line, as a processor expects it of a stream.
fn read_ahead() {
    for (var n = 0u; n < LINES; n++) {
        let line = n * LANES + lane;
        ahead ^= bitcast<u32>(load_other(0u, LANES + line / LINES, line % LINES * LINE).x);
    }
    for (var n = 0u; n < VALUE_LINES; n++) {
        let line = n * LANES + lane;
        ahead ^= bitcast<u32>(load_other(1u, LANES + line / VALUE_LINES, line % VALUE_LINES * LINE).x);
    }
}

// x itself. Compilers do not know that, and so keep the reads.
fn needing_ahead(x: f32) -> f32 {
    return select(x, bitcast<f32>(ahead), unseen != 0u);
}
