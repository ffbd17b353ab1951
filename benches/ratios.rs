//! `cargo bench --bench ratios`: contenders in turn, round after round, so that whatever else the machine does hits all
//! of them; medians of the times and of the ratios within a round.

mod rig;
mod unfused;

use rig::case::Case;
use rig::device::Rig;
use rig::report::{heading, load, median};
use unfused::contender::{Resident, contenders};

/// What is divided by what.
const PAIRS: [(&str, &str); 6] = [
    ("unfused", "fused, T5"),
    ("unfused, new bias", "fused, T5"),
    ("fused, T5", "fused, no bias"),
    ("fused, index matrix", "fused, T5"),
    ("fused, index matrix", "fused, no bias"),
    ("cpu::Tiled", "fused, T5"),
];

fn main() {
    let rig = Rig::open();
    println!("{}", heading(&rig));
    for n in rig::lengths() {
        let case = Case::new(n);
        let resident = Resident::new(&rig, &case);
        let contenders = contenders(&resident);
        let rounds = if rig::quick() { 1 } else { 11 };
        let times: Vec<Vec<f64>> = (0..rounds)
            .map(|_| {
                contenders
                    .iter()
                    .map(|one| 1e3 * one.time().as_secs_f64())
                    .collect()
            })
            .collect();
        let names: Vec<_> = contenders.iter().map(|one| one.name).collect();
        print!("{}", table(n, &names, &times));
    }
    println!("load afterwards: {}", load());
}

/// A line for each pair.
fn table(n: u32, names: &[&str], times: &[Vec<f64>]) -> String {
    let column = |wanted: &str| names.iter().position(|&name| name == wanted);
    let of = |column: usize| median(times.iter().map(|round| round[column]).collect());
    let mut text = format!(
        "\nN = {n}, rounds: {}\n{:<20} {:>9}   {:<20} {:>9} {:>8}\n",
        times.len(),
        "A",
        "ms",
        "B",
        "ms",
        "A / B"
    );
    for (a, b) in PAIRS {
        let (x, y) = (column(a).expect(a), column(b).expect(b));
        let ratio = median(times.iter().map(|round| round[x] / round[y]).collect());
        text += &format!(
            "{a:<20} {:>9.2}   {b:<20} {:>9.2} {ratio:>8.3}\n",
            of(x),
            of(y)
        );
    }
    text
}
