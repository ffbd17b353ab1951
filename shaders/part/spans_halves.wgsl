// Of `attention_forward_cooperative.wgsl`: O between matrices and memory, a span of its features at a time.

fn put_sums(span: u32) {
    for (var own = block; own < BLOCKS; own += BLOCKS) {
        for (var f = 0u; f < KEY_BLOCKS; f++) {
            coopStoreT(sum_blocks[span * KEY_BLOCKS + f], &scores[multiplied * SIZE * SCORE_STRIDE + f * SIZE / 4u], SCORE_STRIDE);
        }
    }
}

fn take_sums(span: u32) {
    for (var own = block; own < BLOCKS; own += BLOCKS) {
        for (var f = 0u; f < KEY_BLOCKS; f++) {
            let at = multiplied * SIZE * SCORE_STRIDE + f * SIZE / 4u;
            sum_blocks[span * KEY_BLOCKS + f] = coopLoadT<SumMatrix>(&scores[at], SCORE_STRIDE);
        }
    }
}

// O · exp2(m − m') over a span.
fn correct(span: u32) {
    workgroupBarrier();
    put_sums(span);
    workgroupBarrier();
    for (var c = column; c < SPAN; c += COLUMNS) {
        scores[row * SCORE_STRIDE + c] *= correction;
    }
    workgroupBarrier();
    take_sums(span);
}

fn correct_all() {
    correct(0u);
    if SPANS > 1u { correct(1u); }
    if SPANS > 2u { correct(2u); }
    if SPANS > 3u { correct(3u); }
    if SPANS > 4u { correct(4u); }
    if SPANS > 5u { correct(5u); }
    if SPANS > 6u { correct(6u); }
    if SPANS > 7u { correct(7u); }
}

fn write_span(span: u32, total: f32) {
    workgroupBarrier();
    put_sums(span);
    workgroupBarrier();
    let i = place.q_first + row;
    for (var c = column; c < SPAN && i < row_limit(); c += COLUMNS) {
        let value = select(keep_scale() * (scores[row * SCORE_STRIDE + c] / (FACTOR * total)), vec4(0.0), total == 0.0);
        write_features(out_row(i), 4u * (span * SPAN + c), value);
    }
}

fn write_all(total: f32) {
    write_span(0u, total);
    if SPANS > 1u { write_span(1u, total); }
    if SPANS > 2u { write_span(2u, total); }
    if SPANS > 3u { write_span(3u, total); }
    if SPANS > 4u { write_span(4u, total); }
    if SPANS > 5u { write_span(5u, total); }
    if SPANS > 6u { write_span(6u, total); }
    if SPANS > 7u { write_span(7u, total); }
}

// For the features that this invocation wrote.
fn add_own_infinities() {
    let i = place.q_first + row;
    for (var span = 0u; span < SPANS; span++) {
        for (var c = column; c < SPAN && 4u * (span * SPAN + c) < VALUE_DIM && i < row_limit(); c += COLUMNS) {
            add_infinities(i, 4u * (span * SPAN + c));
        }
    }
}
