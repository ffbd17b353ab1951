// Slot `fire_gradient`: the moments of dS in each segment of FIRE's function of x, and what c and L add to x.
//   moments[s] = Σ dS and Σ dS · x over the scores whose x lies in segment s; then Σ dS · A[s] · dx/dc and Σ dS · A[s] · dx/dL, and Σ dS
//   where x is 0: there a unit without b1 is not active yet
//   x = n ψ(d), n = 1 / (ψ(m) + ε), m = max(L, p):  dx/dc = n (ψ'(d) − x ψ'(m)) by c,  dx/dL = −x n ψ'(m) by m where m is L
// A tile mostly lies within one segment, and then its moments stay in registers.
var<private> moments: vec2<f32>;
var<private> moments_of: u32;    // which segment
var<private> parameter_sums: vec2<f32>;
var<private> sum_at_zero: f32;

fn put_moments() {
    let at = scores_at + backward.at_moments + 2u * moments_of;
    add_to_workspace(at, moments.x);
    add_to_workspace(at + 1u, moments.y);
    moments = vec2(0.0);
}

fn fire_gradient(i: u32, j: u32, ds: f32) {
    let c = fire_c;
    let least = fire_number(1u);
    let position = f32(fire_position(i));
    let reach = max(least, position);
    let normalizer = fire_normalizer(i);
    let distance = f32(abs(i32(j) - i32(i) - place.shift));
    let x = psi(c, distance) * normalizer;
    var segment = segment_first;
    if segment_first != segment_last {
        segment = segment_of(x);
    }
    if segment != moments_of {
        put_moments();
        moments_of = segment;
    }
    moments += vec2(ds, ds * x);
    sum_at_zero += select(0.0, ds, x == 0.0);
    let by_c = normalizer * (distance / (1.0 + c * distance) - x * reach / (1.0 + c * reach)) * LOG2_E;
    // Where both are the maximum each counts as half of it.
    let share = select(select(0.0, 0.5, least == position), 1.0, least > position);
    let by_l = -share * x * normalizer * c / (1.0 + c * reach) * LOG2_E;
    parameter_sums += ds * fire_number(SLOPES + segment) * LN_2 * vec2(by_c, by_l);
}

fn fire_gradient_end() {
    put_moments();
    let at = scores_at + backward.at_moments + 2u * (FIRE_WIDTH + 1u);
    set_workspace(at, parameter_sums.x);
    set_workspace(at + 1u, parameter_sums.y);
    set_workspace(at + 2u, sum_at_zero);
}
