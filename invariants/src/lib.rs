//! What holds for any bytes that come in from outside.
//!
//! Each function takes bytes, makes of them whatever its target takes, and panics where the promise does not hold. libFuzzer calls them
//! in `fuzz/`, on a nightly compiler; `tests/replay.rs` calls the same functions with the corpus that is kept and with bytes by chance.

mod attended;
mod buckets;
mod choices;
mod corpus;
mod file;
mod linker;
mod masks;
mod numbers;
mod problem;
mod run;
mod text;
mod tolerance;

pub use attended::safetensors;
pub use buckets::buckets;
pub use corpus::{pack, unpack};
pub use linker::linker;
pub use problem::problem;

/// A function of bytes that panics where its promise does not hold.
pub type Invariant = fn(&[u8]);

/// Every target, by the name of its file in `fuzz/kept`.
pub const TARGETS: [(&str, Invariant); 4] = [
    ("buckets", buckets),
    ("linker", linker),
    ("problem", problem),
    ("safetensors", safetensors),
];
