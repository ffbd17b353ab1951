//! Files that `relattn attend` reads: another file, or one line about what is wrong.

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use relattn_cli::Attend;
use safetensors::SafeTensors;

use crate::file::FileChoice;

/// Options, and the rows of the table that they ask for.
const OPTIONS: [(&[&str], u32); 11] = [
    (&[], 32),
    (&["--bias=none"], 1),
    (&["--bias=offset", "--max-offset=3", "--causal"], 7),
    (&["--bias=alibi,dense", "--window-left=2"], 1),
    (&["--bias=kerple-log,kerple-power", "--scale=0.5"], 1),
    (
        &[
            "--bias=sandwich,t5",
            "--dimensions=8",
            "--num-buckets=4",
            "--max-distance=9",
        ],
        4,
    ),
    (&["--bias=fire,index,alibi", "--rope=half"], 6),
    (
        &[
            "--bias=t5,offset",
            "--num-buckets=7",
            "--direction=causal",
            "--max-offset=3",
        ],
        7,
    ),
    (&["--bias=index", "--query-offset=-3"], 6),
    (&["--bias=fire", "--dropout=0.3", "--window-right=1"], 1),
    (
        &[
            "--bias=dense",
            "--rope=interleaved",
            "--rope-scaling=yarn",
            "--rope-factor=4",
            "--rope-original-length=64",
        ],
        1,
    ),
];

/// Each of [`OPTIONS`], with and without gradients.
static ATTENDS: LazyLock<Vec<[Attend; 2]>> = LazyLock::new(|| {
    let with = |options: &[&str]| Attend::with_options(options).expect("options that exist");
    let both = |&(options, _): &(&[&str], u32)| {
        [with(options), with(&[options, &["--backward"]].concat())]
    };
    OPTIONS.iter().map(both).collect()
});

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    options: u8,
    backward: bool,
    file: FileChoice<'a>,
}

/// A file ends in a whole file with the output and its log-sum-exp, or in one line and exit status 2.
///
/// # Panics
/// Where that does not hold.
pub fn safetensors(bytes: &[u8]) {
    // The file takes what is left, so that any file can stand at the end.
    let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(bytes)) else {
        return;
    };
    let n = usize::from(case.options) % OPTIONS.len();
    let file = case.file.bytes(OPTIONS[n].1);
    match ATTENDS[n][usize::from(case.backward)].on(&file) {
        Ok(written) => check(&file, &written, case.backward),
        Err(refusal) => {
            assert_eq!(refusal.exit_code, 2, "{}", refusal.line);
            assert!(!refusal.line.is_empty() && !refusal.line.contains('\n'));
        }
    }
}

/// What is written is in the shapes of what was read.
fn check(read: &[u8], written: &[u8], backward: bool) {
    let [read, written] =
        [read, written].map(|file| SafeTensors::deserialize(file).expect("a whole file"));
    let shape =
        |file: &SafeTensors<'_>, name: &str| file.tensor(name).expect("a tensor").shape().to_vec();
    let [q, v] = ["q", "v"].map(|name| shape(&read, name));
    assert_eq!(shape(&written, "lse"), q[..3]);
    assert_eq!(shape(&written, "ctx"), [&q[..3], &v[3..]].concat());
    if backward {
        for name in ["q", "k", "v"] {
            assert_eq!(shape(&written, &format!("d{name}")), shape(&read, name));
        }
    }
}
