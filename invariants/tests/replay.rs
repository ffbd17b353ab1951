//! The fuzzer's targets without the fuzzer: the inputs that are kept, those with a few bytes changed, and others by chance.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use relattn_invariants::{Invariant, TARGETS, unpack};

/// The inputs of a target that are kept.
fn kept(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/kept");
    let file =
        std::fs::read(folder.join(target).with_extension("bin")).expect("a file for each target");
    let inputs = unpack(&file).expect("a whole file");
    assert!(!inputs.is_empty());
    inputs.into_iter().map(<[u8]>::to_vec).collect()
}

/// An input that is kept, cut off somewhere, with a few bytes changed and some added.
fn changed(kept: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = proptest::collection::vec((any::<u16>(), any::<u8>()), 0..6);
    let added = proptest::collection::vec(any::<u8>(), 0..20);
    (0..kept.len(), any::<u16>(), changes, added).prop_map(move |(n, end, changes, added)| {
        let mut bytes = kept[n].clone();
        bytes.truncate(usize::from(end) % (2 * bytes.len() + 1));
        bytes.extend(added);
        for (place, byte) in changes {
            let length = bytes.len().max(1);
            if let Some(changed) = bytes.get_mut(usize::from(place) % length) {
                *changed = byte;
            }
        }
        bytes
    })
}

fn replay(target: &str, cases: u32) {
    let (_, invariant): (_, Invariant) = TARGETS
        .into_iter()
        .find(|(name, _)| *name == target)
        .expect("a target");
    let kept = kept(target);
    for input in &kept {
        invariant(input);
    }
    let chance = proptest::collection::vec(any::<u8>(), 0..200);
    let mut config = ProptestConfig::with_cases(cases);
    config.failure_persistence = None;
    TestRunner::new(config)
        .run(&prop_oneof![3 => changed(kept), 1 => chance], |bytes| {
            invariant(&bytes);
            Ok(())
        })
        .expect("no input that breaks it");
}

#[test]
fn buckets() {
    replay("buckets", 3000);
}

#[test]
fn linker() {
    replay("linker", 300);
}

#[test]
fn problem() {
    replay("problem", 3000);
}

#[test]
fn safetensors() {
    replay("safetensors", 3000);
}
