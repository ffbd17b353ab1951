// Slot `score_gradient`, where keys own: the gradient of a dense bias that all queries share, [B, H, 1, Nk].
@group(0) @binding(27) var<storage, read_write> dbias: array<f32>; // with strides of which 0 shares it
const SCORE_GRADIENT = true;

fn score_gradient_begin(group: vec3<u32>, local: u32) {}

fn score_gradient(r: u32, own: u32, other: u32, ds: f32) {
    row_numbers[r] += ds;
}

// A head's, after all of its queries.
fn score_gradient_head(local: u32) {
    add_up_rows(local);
    let s = params.bias_strides;
    for (var r = 0u; r < ROWS; r++) {
        let j = place.k_first + own_row(r);
        if writes_row() && j < key_row_limit() {
            dbias[place.batch * s.x + place.head * s.y + j - backward.dbias_base] += row_numbers[r];
        }
        row_numbers[r] = 0.0;
    }
}

fn score_gradient_end(local: u32) {}
