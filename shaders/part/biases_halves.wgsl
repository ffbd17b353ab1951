// Of `attention_backward_cooperative.wgsl`: what stands with scale · S in the exponent of P, bias less log-sum-exp, and deltas.

// The bias of a query that is the same for all of a tile; 0 where others are read.
fn constant_of_query(i: u32) -> f32 {
    return select(0.0, constant_bias(row_bias(i)), bias_constant());
}

// That bias is taken from the log-sum-exps.
fn stage_statistics(local: u32) {
    for (var t = local; t < OTHER; t += WORKGROUP) {
        let both = statistics_of(place.q_first + t);
        tile_statistics[t] = both.x - constant_of_query(t);
        tile_statistics[OTHER + t] = both.y;
    }
}

// The log-sum-exps, where keys own less a constant bias, and the deltas of four scores.
fn statistics_of_four(slot: u32) -> array<vec4<f32>, 2> {
    if !OWNS_KEYS {
        return array(vec4(own_statistics.x), vec4(own_statistics.y));
    }
    return array(staged_statistics(slot), staged_statistics(OTHER + slot));
}

fn staged_statistics(at: u32) -> vec4<f32> {
    return vec4(tile_statistics[at], tile_statistics[at + 1u], tile_statistics[at + 2u], tile_statistics[at + 3u]);
}

fn bias_of_pair(other: u32) -> f32 {
    let at = tile_pair(row, other);
    return bias_of(at.x, at.y, row_bias(at.x), tile_bias(0u, at.x));
}

// By its place in the tile: four scores of this invocation's row.
fn biases(slot: u32) -> vec4<f32> {
    return vec4(bias_of_pair(slot), bias_of_pair(slot + 1u), bias_of_pair(slot + 2u), bias_of_pair(slot + 3u));
}

fn bend_of(s: u32, other: u32) -> f32 {
    let at = pair(row, other);
    return fire_bend(s, at.x, at.y, row_bias(tile_pair(row, other).x).normalizer);
}

fn add_bends() {
    for (var s = segment_first; s < segment_last; s++) {
        for (var n = 0u; n < FOURS; n++) {
            let slot = 4u * four(n);
            product[0][n] += vec4(bend_of(s, slot), bend_of(s, slot + 1u), bend_of(s, slot + 2u), bend_of(s, slot + 3u));
        }
    }
}

// From S to the logarithm of P.
fn add_biases() {
    if bias_constant() {
        var bias = 0.0; // where keys own, staged log-sum-exps are without it
        if !OWNS_KEYS {
            bias = constant_bias(row_bias(row));
        }
        for (var n = 0u; n < FOURS; n++) {
            product[0][n] = product[0][n] * params.scale + (bias - statistics_of_four(4u * four(n))[0]);
        }
        return;
    }
    for (var n = 0u; n < FOURS; n++) {
        let slot = 4u * four(n);
        product[0][n] = product[0][n] * params.scale + (biases(slot) - statistics_of_four(slot)[0]);
    }
}
