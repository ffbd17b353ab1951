//! Biases, masks and rotations that do not fit: exit status 2, one line that names the tensor or the option, no output.

mod harness;

use std::collections::HashMap;

use harness::place::Place;
use harness::{Made, relattn, small, stdout, succeeded};
use safetensors::Dtype;

type Tensors = HashMap<&'static str, Made>;

/// A valid input for every bias.
fn everything() -> Tensors {
    let mut tensors = small();
    tensors.extend([
        ("index", Made::words(&[5, 7], &[0; 35])),
        ("bias", Made::floats(&[1, 1, 5, 7])),
        ("mlp.0.weight", Made::floats(&[3, 1])),
        ("mlp.0.bias", Made::floats(&[3])),
        ("mlp.2.weight", Made::floats(&[4, 3])),
        ("mlp.2.bias", Made::floats(&[4])),
    ]);
    tensors
}

/// Asserts that the input is refused with this tensor, and accepted without it.
fn refuses(name: &'static str, made: &Made, options: &[&str], words: &[&str]) {
    let mut tensors = everything();
    Place::new(&tensors).ctx("cpu", options);
    tensors.insert(name, made.clone());
    Place::new(&tensors).refuses(options, words);
}

#[test]
fn sums_that_are_none() {
    let place = Place::new(&everything());
    for (options, words) in [
        (&["--bias=t5,dense,t5"][..], &["--bias", "t5 twice"][..]),
        (&["--bias=fire", "--bias=fire"], &["fire twice"]),
        (&["--bias=none,alibi"], &["none beside alibi"]),
        (&["--bias=t5,rotary"], &["rotary"]),
        (&["--bias="], &["--bias"]),
        (
            &["--bias=t5,index"],
            &["table", "t5 and of index", "t5_table and index_table"],
        ),
        (&["--bias=kerple-log,kerple-power"], &["kerple_log_p"]),
    ] {
        place.refuses(options, words);
    }
}

/// Without elements a tensor may have any sizes; slopes for so many heads would take 4 GB.
#[test]
fn default_slopes_of_heads_without_end() {
    let empty = |heads| Made::floats(&[1, heads, 0, 4]);
    let tensors = HashMap::from([("q", empty(1 << 30)), ("k", empty(1)), ("v", empty(1))]);
    Place::new(&tensors).refuses(&["--bias=alibi"], &["1073741824", "65536", "slopes"]);
}

/// Learning may leave the range that a paper asks for; where the formula has no value at some offset, there is no bias.
#[test]
fn parameters_without_a_bias() {
    let (nan, infinite) = (f64::NAN, f64::INFINITY);
    for (bias, name, values, allowed) in [
        ("kerple-log", "p", &[nan, infinite][..], "finite"),
        ("kerple-log", "a", &[-0.5, nan, infinite], "from 0 on"),
        ("kerple-power", "a", &[nan, infinite], "finite"),
        ("kerple-power", "p", &[0.0, -0.5, nan], "above 0"),
        ("alibi", "slopes", &[nan, infinite, -infinite], "finite"),
    ] {
        let option = format!("--bias={bias}");
        for &value in values {
            let mut tensors = everything();
            for name in ["p", "a", "slopes"] {
                tensors.insert(name, Made::numbers(&[4], &[0.5, 2.0, 1.0, 0.25]));
            }
            let made = Made::numbers(&[4], &[0.5, 2.0, value, 0.25]);
            let single = value.to_string();
            let words = [name, "head 2", &single, allowed];
            Place::new(&tensors).ctx("cpu", &[&option]);
            tensors.insert(name, made);
            Place::new(&tensors).refuses(&[&option], &words);
        }
    }
}

#[test]
fn weights_of_fire_that_do_not_fit() {
    for (name, shape, words) in [
        ("mlp.0.weight", &[3, 2][..], &["[3, 2]", "[3, 1]"][..]),
        ("mlp.0.weight", &[3, 1, 1], &["[3, 1, 1]", "[W, 1] or [W]"]),
        ("mlp.0.weight", &[], &["[]", "[W, 1] or [W]"]),
        ("mlp.0.bias", &[4], &["[4]", "[3]"]),
        ("mlp.2.weight", &[4, 5], &["[4, 5]", "[4, 3]"]),
        ("mlp.2.weight", &[3, 4], &["[3, 4]", "[4, 3]"]),
        ("mlp.2.bias", &[1], &["[1]", "[4]"]),
        ("c", &[2], &["[2]", "[1]"]),
        ("init_L", &[1, 1], &["[1, 1]", "[1]"]),
        ("L_multiplier", &[0], &["[0]", "[1]"]),
    ] {
        let words = [words, &[name]].concat();
        refuses(name, &Made::floats(shape), &["--bias=fire"], &words);
    }
    let half = Made {
        dtype: Dtype::F16,
        shape: vec![1],
        data: vec![0; 2],
    };
    refuses("c", &half, &["--bias=fire"], &["c", "F16", "F32"]);
    let mut tensors = everything();
    tensors.insert("mlp.0.weight", Made::floats(&[257, 1]));
    Place::new(&tensors).refuses(&["--bias=fire"], &["257 units", "256"]);
    for name in ["mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias"] {
        let mut tensors = everything();
        tensors.remove(name);
        Place::new(&tensors).refuses(&["--bias=fire"], &["no tensor", name, "key_mask"]);
    }
}

#[test]
fn index_matrices_that_do_not_fit() {
    for (shape, words) in [
        (&[35][..], &["index", "[35]", "[M, B or 1, Nq, Nk]"][..]),
        (&[7, 5], &["index", "[7, 5]", "[5, 7]"]),
        (&[1, 5, 7], &["index", "[1, 5, 7]", "[2, 5, 7]"]),
        (&[2, 3, 5, 7], &["index", "[2, 3, 5, 7]", "[2, 1, 5, 7]"]),
        (&[3, 1, 5, 7], &["table", "32 rows", "multiple of 3"]),
        (&[0, 1, 5, 7], &["0 index matrices"]),
        (&[1, 1, 1, 5, 7], &["index", "[1, 1, 1, 5, 7]"]),
    ] {
        let made = Made::words(shape, &vec![0; shape.iter().product()]);
        refuses("index", &made, &["--bias=index"], words);
    }
}

#[test]
fn gates_that_do_not_fit() {
    let gate = Made::floats(&[2, 4, 5]);
    for bias in ["none", "dense", "fire", "index", "fire,dense"] {
        refuses("gate", &gate, &["--bias", bias], &["gate", "by offset"]);
    }
    let wrong = Made::floats(&[2, 5, 4]);
    let words = ["gate", "[2, 5, 4]", "[2, 4, 5]"];
    refuses("gate", &wrong, &["--bias=t5,dense"], &words);
}

#[test]
fn masks_that_do_not_fit() {
    let words = |shape: &[usize]| Made::words(shape, &vec![0; shape.iter().product()]);
    for (name, made, expected) in [
        (
            "mask",
            Made::bytes(&[2, 4, 7, 5]),
            &["[2, 4, 7, 5]", "[2, 4, 5, 7]"][..],
        ),
        (
            "mask",
            Made::bytes(&[3, 1, 5, 7]),
            &["[3, 1, 5, 7]", "[1, 1, 5, 7]"],
        ),
        (
            "mask",
            Made::bytes(&[5, 7]),
            &["[5, 7]", "[B or 1, H or 1, Nq, Nk]"],
        ),
        ("mask", Made::floats(&[1, 1, 5, 7]), &["F32", "U8 or BOOL"]),
        ("query_lengths", words(&[3]), &["[3]", "[2]"]),
        (
            "query_lengths",
            Made::words(&[2], &[6, 0]),
            &["is 6", "at most 5"],
        ),
        (
            "query_documents",
            words(&[2, 5]),
            &["key_documents", "no tensor"],
        ),
        (
            "key_documents",
            words(&[2, 7]),
            &["query_documents", "no tensor"],
        ),
    ] {
        let expected = [expected, &[name]].concat();
        refuses(name, &made, &[], &expected);
    }
    let mut tensors = everything();
    tensors.insert("query_documents", words(&[2, 5]));
    tensors.insert("key_documents", words(&[2, 5]));
    Place::new(&tensors).refuses(&[], &["key_documents", "[2, 5]", "[2, 7]"]);
}

/// One sequence of 5 queries and 7 keys, packed by these starts.
fn packed(queries: &[u32], keys: &[u32]) -> Tensors {
    let mut tensors: Tensors = [("q", 5), ("k", 7), ("v", 7)]
        .map(|(name, rows)| (name, Made::floats(&[1, 4, rows, 8])))
        .into();
    tensors.insert("table", Made::floats(&[32, 4]));
    tensors.insert("query_starts", Made::words(&[queries.len()], queries));
    tensors.insert("key_starts", Made::words(&[keys.len()], keys));
    tensors
}

#[test]
fn starts_that_do_not_rise_to_the_end() {
    Place::new(&packed(&[0, 2, 5], &[0, 7, 7])).ctx("cpu", &[]);
    for (queries, keys, words) in [
        (
            &[0, 5, 4, 5][..],
            &[0, 1, 2, 7][..],
            &["query_starts has 4 behind 5"][..],
        ),
        (&[0, 2, 5], &[1, 2, 7], &["key_starts has 1 behind 0"]),
        (&[0, 2, 4], &[0, 2, 7], &["query_starts has 4", "to 5"]),
        (&[0, 2, 5], &[0, 8, 7], &["key_starts has 8", "to 7"]),
        (&[0, 2, 5], &[0, 7], &["key_starts", "[2]", "[3]"]),
        (&[0], &[0], &["0 sequences"]),
        (&[], &[], &["0 sequences"]),
    ] {
        // Rotations follow the starts, so that they have to be checked before.
        for options in [&[][..], &["--rope=half"]] {
            Place::new(&packed(queries, keys)).refuses(options, words);
        }
    }
    for name in ["query_starts", "key_starts"] {
        let mut one = packed(&[0, 2, 5], &[0, 7, 7]);
        one.remove(name);
        Place::new(&one).refuses(&[], &["no tensor", name, "[S + 1]", "table"]);
    }
    let mut two = packed(&[0, 2, 5], &[0, 7, 7]);
    two.insert("key_lengths", Made::words(&[1], &[7]));
    Place::new(&two).refuses(&[], &["packed batch", "key lengths"]);
    let mut two = everything();
    two.insert("query_starts", Made::words(&[2], &[0, 5]));
    two.insert("key_starts", Made::words(&[2], &[0, 7]));
    Place::new(&two).refuses(&[], &["packed batch has batch 2", "batch 1"]);
}

#[test]
fn rotations_that_are_none() {
    let place = Place::new(&everything());
    for (options, words) in [
        (
            &["--rope-base=100"][..],
            &["--rope-base", "--rope half"][..],
        ),
        (
            &["--rope-dimensions=4"],
            &["--rope-dimensions", "--rope half"],
        ),
        (&["--rope=whole"], &["--rope", "whole"]),
        (&["--rope=half", "--rope-dimensions=3"], &["3", "2..=8"]),
        (&["--rope=half", "--rope-dimensions=10"], &["10", "2..=8"]),
        (&["--rope=half", "--rope-base=1"], &["base", "1"]),
        (&["--rope=half", "--rope-base=nan"], &["base", "NaN"]),
        (
            &["--rope=half", "--rope-factor=2"],
            &["--rope-factor", "--rope-scaling"],
        ),
        (
            &["--rope=half", "--rope-scaling=ntk"],
            &["--rope-scaling", "--rope-factor"],
        ),
        (
            &["--rope=half", "--rope-scaling=linear", "--rope-factor=0.5"],
            &["factor", "0.5"],
        ),
        (
            &["--rope=half", "--rope-scaling=yarn", "--rope-factor=2"],
            &["yarn", "--rope-original-length"],
        ),
        (
            &["--rope=half", "--rope-original-length=9"],
            &["--rope-original-length", "yarn"],
        ),
    ] {
        place.refuses(options, words);
    }
}

#[test]
fn the_help_names_every_tensor_and_option() {
    let output = relattn(["attend", "--help"]);
    succeeded(&output);
    let text = stdout(&output);
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || ",;:.".contains(c) && c != '.')
        .map(|word| word.trim_end_matches('.'))
        .collect();
    for name in [
        "dctx",
        "dq",
        "dk",
        "dv",
        "dtable",
        "dt5_table",
        "dslopes",
        "dp",
        "da",
        "dmlp.0.weight",
        "dmlp.0.bias",
        "dmlp.2.weight",
        "dmlp.2.bias",
        "dc",
        "dinit_L",
        "dL_multiplier",
        "dgate",
        "dbias",
        "--backward",
        "--dropout",
        "--seed",
        "q",
        "k",
        "v",
        "table",
        "t5_table",
        "offset_table",
        "index_table",
        "index",
        "slopes",
        "p",
        "a",
        "kerple_log_p",
        "kerple_log_a",
        "kerple_power_p",
        "kerple_power_a",
        "mlp.0.weight",
        "mlp.0.bias",
        "mlp.2.weight",
        "mlp.2.bias",
        "c",
        "init_L",
        "L_multiplier",
        "0.1",
        "512",
        "bias",
        "gate",
        "key_mask",
        "mask",
        "key_lengths",
        "query_lengths",
        "query_documents",
        "key_documents",
        "query_starts",
        "key_starts",
        "fire",
        "--rope",
        "half",
        "interleaved",
        "--rope-base",
        "--rope-scaling",
        "--rope-factor",
        "--rope-original-length",
        "--rope-dimensions",
        "yarn",
        "ntk",
        "linear",
    ] {
        assert!(words.contains(&name), "no {name} in {text}");
    }
    assert!(text.contains("[default: 10000]"), "{text}");
}
