//! Load: problems by chance from several threads on one device, each checked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use relattn::plan::choose_backward;
use relattn::{Context, wgpu};

use crate::choices::{Choice, LEVELS, choices};
use crate::drawn::Drawn;
use crate::outcome::{Outcome, Verdict};
use crate::suite::{Entry, Work};
use crate::trial;

/// Choices that problems are of: few, so that time goes into running and not into compiling.
const CHOICES: usize = 6;
/// Failures that are kept in words.
const KEPT: usize = 20;

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Threads that use the device.
    pub threads: u32,
    /// How long they do, once the kernels are compiled.
    pub duration: Duration,
    /// Of the problems; thread and seed make the same ones every time.
    pub seed: u64,
    /// Whether the device is one thread's at a time.
    pub one_at_a_time: bool,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Soaked {
    /// Problems that were run and checked.
    pub problems: u64,
    /// How many of them failed.
    pub failed: u64,
    /// Problems that the device cannot run, which count as no problem.
    pub unsupported: u64,
    /// The first failures: the problem, and what is wrong.
    pub failures: Vec<(String, String)>,
    /// The largest error as a share of what is allowed.
    pub worst_share: f64,
    /// Before and after.
    pub held: [Held; 2],
}

/// What a device and the process hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// Buffers of the device; 0 where wgpu was built without its feature `counters`, like the others.
    pub buffers: isize,
    /// Bytes of them.
    pub buffer_memory: isize,
    /// Bind groups of the device.
    pub bind_groups: isize,
    /// Bytes of the process in memory, where the system tells.
    pub process: Option<u64>,
}

impl Held {
    fn now(context: &Context, process: &dyn Fn() -> Option<u64>) -> Self {
        // What was dropped is freed by a poll.
        let _ = context.device().poll(wgpu::PollType::wait_indefinitely());
        let counters = context.device().get_internal_counters().hal;
        Self {
            buffers: counters.buffers.read(),
            buffer_memory: counters.buffer_memory.read(),
            bind_groups: counters.bind_groups.read(),
            process: process(),
        }
    }
}

impl Soaked {
    /// Whether buffers or bind groups of the device were left behind.
    #[must_use]
    pub const fn leaked(&self) -> bool {
        let [before, after] = &self.held;
        after.buffers > before.buffers || after.bind_groups > before.bind_groups
    }

    fn add(&mut self, outcome: Outcome) {
        if let Verdict::Unsupported(_) = outcome.verdict {
            self.unsupported += 1;
            return;
        }
        self.problems += 1;
        if let Some(worst) = &outcome.worst {
            self.worst_share = self.worst_share.max(worst.share());
        }
        if let Verdict::Failed { reason, .. } = outcome.verdict {
            self.failed += 1;
            if self.failures.len() < KEPT {
                self.failures.push((outcome.case, reason));
            }
        }
    }
}

/// Runs problems until the time is over. `progress` is told of every problem how many there were and how many of them failed;
/// `process` says how much memory the process takes.
pub fn soak(
    context: &Context,
    load: &Load,
    progress: &(dyn Fn(u64, u64) + Sync),
    process: &dyn Fn() -> Option<u64>,
) -> Soaked {
    let soaking = Soaking {
        context,
        choices: supported(context),
        turn: load.one_at_a_time.then(|| Mutex::new(())),
        state: Mutex::default(),
        progress,
        begun: AtomicUsize::new(0),
    };
    let rng = ChaCha8Rng::seed_from_u64;
    soaking.round(load.threads, rng(load.seed), Until::Compiled);
    let before = Held::now(context, process);
    let end = Instant::now() + load.duration;
    soaking.round(
        load.threads,
        rng(load.seed.wrapping_add(1)),
        Until::End(end),
    );
    let after = Held::now(context, process);
    let soaked = soaking.state.into_inner();
    Soaked {
        held: [before, after],
        ..soaked.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Choices with kernels forward and backward.
fn supported(context: &Context) -> Vec<Choice> {
    let capabilities = context.capabilities();
    let all = choices(&LEVELS)
        .into_iter()
        .map(|levels| Choice::of(&levels));
    let fits = |choice: &Choice| {
        choice.fits(&capabilities)
            && choose_backward(&Drawn::SMALL.problem(choice), &capabilities).is_ok()
    };
    all.filter(fits).take(CHOICES).collect()
}

/// How long a round of all threads takes.
#[derive(Clone, Copy)]
enum Until {
    /// Each choice has run forward and backward, in turn.
    Compiled,
    /// This moment.
    End(Instant),
}

struct Soaking<'a> {
    context: &'a Context,
    choices: Vec<Choice>,
    turn: Option<Mutex<()>>,
    state: Mutex<Soaked>,
    progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Problems that were begun.
    begun: AtomicUsize,
}

impl Soaking<'_> {
    fn round(&self, threads: u32, mut rng: ChaCha8Rng, until: Until) {
        thread::scope(|scope| {
            for thread in 0..threads {
                rng.set_stream(thread.into());
                let mut rng = rng.clone();
                scope.spawn(move || while self.problem(&mut rng, until) {});
            }
        });
    }

    /// Runs another problem, unless the round is over.
    fn problem(&self, rng: &mut ChaCha8Rng, until: Until) -> bool {
        let kinds = 2 * self.choices.len();
        let kind = match until {
            Until::Compiled => self.begun.fetch_add(1, Ordering::Relaxed),
            Until::End(end) if Instant::now() < end => rng.random_range(0..kinds),
            Until::End(_) => return false,
        };
        if kind >= kinds {
            return false;
        }
        let entry = self.entry(kind, rng);
        let outcome = {
            let turn = self.turn.as_ref();
            let _turn = turn.map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
            trial::run(self.context, &entry, None)
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.add(outcome);
        (self.progress)(state.problems, state.failed);
        true
    }

    fn entry(&self, kind: usize, rng: &mut ChaCha8Rng) -> Entry {
        let count = self.choices.len();
        let choice = &self.choices[kind % count];
        let problem = Drawn::next(choice, rng).problem(choice);
        let seed = rng.random_range(1..1000);
        let (pass, of): (_, fn(_, _) -> _) = match kind < count {
            true => ("forward", Work::Forward),
            false => ("backward", Work::Backward),
        };
        Entry {
            name: format!("{pass}: {choice}: {:?}, seed {seed}", problem.shape()),
            work: of(problem, seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{Extent, suite};

    #[test]
    fn a_problem_that_cannot_run_is_none_that_was_checked() {
        let entry = &suite(Extent::Quick, Some("forward: tile edges"))[0];
        let mut soaked = Soaked::default();
        let failed = Verdict::Failed {
            reason: "wrong".into(),
            heat: None,
        };
        for verdict in [
            Verdict::Passed,
            failed,
            Verdict::Unsupported("no buffers".into()),
        ] {
            soaked.add(Outcome::without_run(entry, verdict));
        }
        let counts = [soaked.problems, soaked.failed, soaked.unsupported];
        assert_eq!(counts, [2, 1, 1]);
    }
}
