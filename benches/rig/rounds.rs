//! Contenders in turn, round after round, so that whatever else the machine does hits all of them.

use std::time::Duration;

use super::report::median;

/// A name and what runs it once and says how long that took.
pub(crate) struct Contender<'a> {
    pub(crate) name: &'static str,
    run: Box<dyn Fn() -> Duration + 'a>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: &'static str, run: impl Fn() -> Duration + 'a) -> Self {
        let run = Box::new(run);
        Self { name, run }
    }

    pub(crate) fn time(&self) -> Duration {
        (self.run)()
    }
}

/// The milliseconds of each contender in each round.
#[derive(Debug)]
pub(crate) struct Rounds {
    names: Vec<&'static str>,
    times: Vec<Vec<f64>>,
}

impl Rounds {
    pub(crate) fn run(contenders: &[Contender<'_>]) -> Self {
        let rounds = if super::quick() { 1 } else { 11 };
        let round = |_| {
            let times = contenders.iter().map(Contender::time);
            times.map(|time| 1e3 * time.as_secs_f64()).collect()
        };
        Self {
            names: contenders.iter().map(|one| one.name).collect(),
            times: (0..rounds).map(round).collect(),
        }
    }

    /// Medians of the times and of the ratios within a round, a line for each pair.
    pub(crate) fn table(&self, n: u32, pairs: &[(&str, &str)]) -> String {
        let names = pairs.iter().flat_map(|&(a, b)| [a, b]);
        let width = names.map(str::len).max().unwrap_or(0).max(20);
        let mut text = format!(
            "\nN = {n}, rounds: {}\n{:<width$} {:>9}   {:<width$} {:>9} {:>8}\n",
            self.times.len(),
            "A",
            "ms",
            "B",
            "ms",
            "A / B"
        );
        for &(a, b) in pairs {
            let (x, y) = (self.column(a), self.column(b));
            text += &format!(
                "{a:<width$} {:>9.2}   {b:<width$} {:>9.2} {:>8.3}\n",
                self.median(|round| round[x]),
                self.median(|round| round[y]),
                self.median(|round| round[x] / round[y])
            );
        }
        text
    }

    fn column(&self, wanted: &str) -> usize {
        let found = self.names.iter().position(|&name| name == wanted);
        found.unwrap_or_else(|| panic!("no contender is called {wanted:?}"))
    }

    fn median(&self, of: impl Fn(&Vec<f64>) -> f64) -> f64 {
        median(self.times.iter().map(of).collect())
    }
}
