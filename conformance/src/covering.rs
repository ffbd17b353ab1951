//! A covering array: few combinations of many choices, in which every two choices meet that can.

/// A combination: of each factor one of its levels.
pub type Combination = Vec<usize>;

/// Two levels of two factors.
type Pair = [(usize, usize); 2];

/// Candidates that each combination is the best of.
const CANDIDATES: usize = 100;
/// Combinations tried before two levels count as unable to meet.
const TRIES: usize = 1000;

/// Picks combinations of factors with these levels, the same ones every time, until every pair that `valid` allows is in one.
///
/// Combinations that are `cheap` come first; others only for pairs that are in none of those.
pub fn covering(
    levels: &[usize],
    valid: impl Fn(&[usize]) -> bool,
    cheap: impl Fn(&[usize]) -> bool,
) -> Vec<Combination> {
    let mut state = 1;
    let mut open = pairs(levels);
    let mut picked = Vec::new();
    for dear in [false, true] {
        let mut apart = Vec::new();
        while let Some(&pair) = open.first() {
            let candidates = (0..TRIES).map(|_| with(levels, pair, &mut state));
            let candidates = candidates.filter(|found| valid(found) && (dear || cheap(found)));
            let candidates = candidates.take(CANDIDATES);
            let meets = |found: &Combination| open.iter().filter(|pair| has(found, pair)).count();
            match candidates.max_by_key(meets) {
                Some(best) => {
                    open.retain(|pair| !has(&best, pair));
                    picked.push(best);
                }
                None => apart.push(open.remove(0)),
            }
        }
        open = apart;
    }
    picked
}

/// Every two levels of different factors.
pub fn pairs(levels: &[usize]) -> Vec<Pair> {
    let all = levels.iter().enumerate();
    let all = all.flat_map(|(factor, &levels)| (0..levels).map(move |level| (factor, level)));
    let all: Vec<_> = all.collect();
    let pairs = all.iter().flat_map(|&x| all.iter().map(move |&y| [x, y]));
    pairs.filter(|[x, y]| x.0 < y.0).collect()
}

/// Whether a combination has both.
pub fn has(combination: &[usize], pair: &Pair) -> bool {
    pair.iter()
        .all(|&(factor, level)| combination[factor] == level)
}

/// Two levels, and any others.
fn with(levels: &[usize], pair: Pair, state: &mut u32) -> Combination {
    let mut found: Combination = levels
        .iter()
        .map(|&levels| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*state >> 16) as usize % levels
        })
        .collect();
    for (factor, level) in pair {
        found[factor] = level;
    }
    found
}
