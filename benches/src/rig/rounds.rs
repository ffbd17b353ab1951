//! Contenders in turn, round after round, so that whatever else the machine does hits all of them.

use std::fmt;
use std::time::Duration;

use super::device::Rig;
use super::report::median;

/// A name and what runs it once and says how long that took.
pub struct Contender<'a> {
    /// What it is called.
    pub name: &'static str,
    run: Box<dyn Fn() -> Duration + 'a>,
}

impl fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<'a> Contender<'a> {
    /// A name and what runs it once.
    pub fn new(name: &'static str, run: impl Fn() -> Duration + 'a) -> Self {
        let run = Box::new(run);
        Self { name, run }
    }

    /// Runs it once.
    pub fn time(&self) -> Duration {
        (self.run)()
    }
}

/// The milliseconds of each contender in each round.
#[derive(Debug)]
pub struct Rounds {
    names: Vec<&'static str>,
    times: Vec<Vec<f64>>,
}

impl Rounds {
    /// Times each contender once a round, behind a run that is not timed, since the contender before has put its tensors out of the
    /// caches; every second round in reverse, so that each is as often before as behind another.
    #[must_use]
    pub fn run(rounds: usize, contenders: &[Contender<'_>]) -> Self {
        let time = |contender: &Contender<'_>| {
            contender.time();
            1e3 * contender.time().as_secs_f64()
        };
        let round = |n: usize| {
            if n.is_multiple_of(2) {
                return contenders.iter().map(time).collect();
            }
            let mut times: Vec<f64> = contenders.iter().rev().map(time).collect();
            times.reverse();
            times
        };
        Self {
            names: contenders.iter().map(|one| one.name).collect(),
            times: (0..rounds).map(round).collect(),
        }
    }

    /// Those of so many devices, one opened after the other: the same code takes a tenth more or less time as it lies in memory.
    ///
    /// # Panics
    /// Where contenders change from device to device.
    #[must_use]
    pub fn on_devices(devices: usize, measure: impl Fn(&Rig) -> Self) -> Self {
        let mut all = measure(&Rig::open());
        for _ in 1..devices {
            let more = measure(&Rig::open());
            assert_eq!(all.names, more.names);
            all.times.extend(more.times);
        }
        all
    }

    /// The median time of a contender in milliseconds.
    #[must_use]
    pub fn milliseconds(&self, name: &str) -> f64 {
        let column = self.column(name);
        self.median(|round| round[column])
    }

    /// The median, over the rounds, of one time as a part of another within the round.
    #[must_use]
    pub fn ratio(&self, name: &str, of: &str) -> f64 {
        let (x, y) = (self.column(name), self.column(of));
        self.median(|round| round[x] / round[y])
    }

    /// Medians of the times and of the ratios within a round, a line for each pair.
    #[must_use]
    pub fn table(&self, n: u32, pairs: &[(&str, &str)]) -> String {
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
            text += &format!(
                "{a:<width$} {:>9.2}   {b:<width$} {:>9.2} {:>8.3}\n",
                self.milliseconds(a),
                self.milliseconds(b),
                self.ratio(a, b)
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
