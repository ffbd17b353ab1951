//! Tests of an adapter: one for each case, or one that says why there are none.

use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Failed, Trial};
use relattn::{Context, Error};

use super::adapters::Adapter;

/// A trial for each named case. What a case is unsupported for, and an adapter that cannot be tested, are listed as ignored with the
/// reason.
pub(crate) fn trials_of<T: Send + 'static>(
    adapter: &Adapter,
    cases: Vec<(String, T)>,
    supported: impl Fn(&Context, &T) -> Result<(), Error>,
    check: fn(&Context, &T) -> Result<(), Failed>,
) -> Vec<Trial> {
    let context = match &adapter.context {
        Ok(context) => context,
        Err(reason) => return vec![ignored(adapter, format!("unsupported: {reason}"))],
    };
    // An OpenGL context is one thread's at a time, and wgpu gives up on waiting for it after a second: less than a compilation
    // may take.
    let turn = adapter.one_at_a_time.then(|| Arc::new(Mutex::new(())));
    let trial = |(name, case): (String, T)| {
        if let Err(reason) = supported(context, &case) {
            return unsupported(adapter, &name, &reason.to_string());
        }
        let (context, turn) = (context.clone(), turn.clone());
        let run = move || {
            let _turn = turn
                .as_ref()
                .map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
            check(&context, &case)
        };
        Trial::test(name, run).with_kind(&adapter.name)
    };
    cases.into_iter().map(trial).collect()
}

/// A trial that says why an adapter has none of some kind.
pub(crate) fn unsupported(adapter: &Adapter, what: &str, reason: &str) -> Trial {
    ignored(adapter, format!("{what}: unsupported: {reason}"))
}

/// Every second trial, and of the others that they are left out and why.
pub(crate) fn every_second(adapter: &Adapter, trials: Vec<Trial>, reason: &str) -> Vec<Trial> {
    let numbered = trials.into_iter().enumerate();
    let chosen = numbered.map(|(n, trial)| match n % 2 {
        1 if !trial.has_ignored_flag() => {
            ignored(adapter, format!("{}: left out: {reason}", trial.name()))
        }
        _ => trial,
    });
    chosen.collect()
}

/// Fails where it is run all the same: nothing is tested.
fn ignored(adapter: &Adapter, name: String) -> Trial {
    let reason = name.clone();
    let trial = Trial::test(name, || Err(reason.into()));
    trial.with_kind(&adapter.name).with_ignored_flag(true)
}

/// One of each adapter after the other, so that no two wait for an adapter that does one thing at a time.
pub(crate) fn in_turn(mut all: Vec<impl Iterator<Item = Trial>>) -> Vec<Trial> {
    let mut taken = Vec::new();
    loop {
        let before = taken.len();
        taken.extend(all.iter_mut().filter_map(Iterator::next));
        if taken.len() == before {
            return taken;
        }
    }
}
