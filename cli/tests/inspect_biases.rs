//! `relattn inspect --bias`: the numbers, the text and the picture of every bias.

mod harness;

use std::collections::HashMap;

use harness::{Made, Picture, file, refused, relattn, stdout, succeeded};
use serde_json::Value;
use tempfile::TempDir;

/// H 3, Nq 4, Nk 6 of every tensor that a bias reads.
fn tensors() -> HashMap<&'static str, Made> {
    let indices: Vec<u32> = (0..24).map(|n| n * n % 7).collect();
    let values = |values: &[f64]| Made::numbers(&[values.len()], values);
    HashMap::from([
        ("t5_table", Made::floats(&[32, 3])),
        ("offset_table", Made::floats(&[5, 3])),
        ("index_table", Made::floats(&[7, 3])),
        ("index", Made::words(&[4, 6], &indices)),
        ("bias", Made::floats(&[2, 3, 4, 6])),
        ("slopes", values(&[0.5, 0.25, 0.125])),
        ("p", values(&[0.5, 0.3, 0.7])),
        ("a", values(&[1.5, 0.2, 0.4])),
        ("mlp.0.weight", values(&[1.5, -0.5])),
        ("mlp.0.bias", values(&[-0.5, 0.25])),
        ("mlp.2.weight", Made::floats(&[3, 2])),
        ("mlp.2.bias", values(&[0.5, 0.0, -1.0])),
        ("init_L", values(&[2.0])),
    ])
}

fn folder() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bias.safetensors");
    std::fs::write(&path, file(&tensors())).expect("written");
    let name = path.to_str().expect("a plain name").to_owned();
    (folder, name)
}

fn run(options: &[&str]) -> String {
    let output = relattn([&["inspect"], options].concat());
    succeeded(&output);
    stdout(&output)
}

fn json(options: &[&str]) -> Value {
    serde_json::from_str(&run(&[options, &["--json"]].concat())).expect("JSON")
}

fn float(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// Asserts the matrix of the first sequence, 4 queries from position 2 on and 6 keys.
fn matrix_is(options: &[&str], bias: &dyn Fn([usize; 3]) -> f64) {
    let (_folder, table) = folder();
    let sizes = [
        "--table",
        &table,
        "--query-offset=2",
        "--queries=4",
        "--keys=6",
    ];
    let found = json(&[&sizes, options].concat());
    assert_eq!(found["heads"], 3, "{options:?}");
    let mut largest = 0.0_f64;
    for head in 0..3 {
        for i in 0..4 {
            for j in 0..6 {
                let (value, expected) = (float(&found["matrix"][head][i][j]), bias([head, i, j]));
                largest = largest.max(expected.abs());
                let place = [head, i, j];
                assert!(
                    (value - expected).abs() < 1e-6,
                    "{options:?} {place:?}: {value} {expected}"
                );
            }
        }
    }
    assert!(largest > 0.1, "{options:?} is nothing");
}

fn distance(i: usize, j: usize) -> f64 {
    f64::from(u32::try_from((i + 2).abs_diff(j)).expect("small"))
}

#[test]
fn every_bias_is_its_formula() {
    let tensors = tensors();
    let values = |name: &str| tensors[name].values();
    let slopes = values("slopes");
    let alibi = |head: usize, i, j| -slopes[head] * distance(i, j);
    matrix_is(&["--bias=alibi"], &|[head, i, j]| alibi(head, i, j));
    let (p, a) = (values("p"), values("a"));
    matrix_is(&["--bias=kerple-log"], &|[head, i, j]| {
        -p[head] * (1.0 + a[head] * distance(i, j)).ln()
    });
    matrix_is(&["--bias=kerple-power"], &|[head, i, j]| {
        -a[head] * distance(i, j).powf(p[head])
    });
    let table = values("offset_table");
    matrix_is(&["--bias=offset", "--max-offset=2"], &|[head, i, j]| {
        // Offset −2 is row 0.
        let row = j.clamp(i, i + 4) - i;
        table[row * 3 + head]
    });
    let sandwich = |head: u32, i, j| {
        let inner = distance(i, j).cos() + (distance(i, j) / 100.0).cos();
        inner * 3.0 / (8.0 * f64::from(head + 1))
    };
    matrix_is(
        &["--bias=sandwich", "--dimensions=4", "--heads=3"],
        &|[head, i, j]| sandwich(u32::try_from(head).expect("small"), i, j),
    );
    let (rows, dense) = (values("index_table"), values("bias"));
    let index = |head: usize, i: usize, j: usize| {
        let n = i * 6 + j;
        rows[n * n % 7 * 3 + head]
    };
    matrix_is(&["--bias=index"], &|[head, i, j]| index(head, i, j));
    let dense = |head: usize, i: usize, j: usize| dense[(head * 4 + i) * 6 + j];
    matrix_is(&["--bias=dense"], &|[head, i, j]| dense(head, i, j));
    matrix_is(&["--bias=index,alibi", "--bias=dense"], &|[head, i, j]| {
        index(head, i, j) + alibi(head, i, j) + dense(head, i, j)
    });
}

#[test]
fn fire_is_its_formula() {
    let tensors = tensors();
    let [w2, b2] = ["mlp.2.weight", "mlp.2.bias"].map(|name| tensors[name].values());
    let psi = |x: f64| (f64::from(0.1_f32) * x).ln_1p();
    matrix_is(&["--bias=fire"], &|[head, i, j]| {
        let position = f64::from(u32::try_from(i + 2).expect("small"));
        let x = psi(distance(i, j)) / (psi(position.max(2.0)) + 1e-6);
        let units = [(1.5 * x - 0.5).max(0.0), (-0.5 * x + 0.25).max(0.0)];
        w2[head * 2] * units[0] + w2[head * 2 + 1] * units[1] + b2[head]
    });
}

/// One row of offsets serves matrices that no machine would hold.
#[test]
fn a_bias_by_offset_has_a_radius_and_a_table() {
    let lengths = ["--queries=1000000", "--keys=500000"];
    let options = [
        &["--bias=alibi", "--heads=2", "--query-offset=7"],
        &lengths[..],
    ]
    .concat();
    let found = json(&options);
    assert_eq!(found["radius"], 1_000_006);
    assert_eq!(found["offset_table_bytes"], 4 * 2 * (2 * 1_000_006 + 1));
    assert_eq!(found["matrix"], Value::Null);
    let offsets = found["offsets"].as_array().expect("offsets");
    assert_eq!(offsets.first(), Some(&Value::from(-1_000_006)));
    assert_eq!(offsets.last(), Some(&Value::from(499_992)));
    for (n, offset) in offsets.iter().enumerate() {
        for (head, slope) in [(0, 1.0 / 16.0), (1, 1.0 / 256.0)] {
            let expected = -slope * float(offset).abs();
            let value = float(&found["at_offsets"][head][n]);
            assert!(
                (value - expected).abs() <= 1e-6 * expected.abs(),
                "{offset}"
            );
        }
    }
    let (_folder, table) = folder();
    let saturated = json(&["--bias=offset", "--max-offset=2", "--table", &table]);
    assert_eq!([&saturated["radius"], &saturated["queries"]], [2, 256]);
    assert_eq!(saturated["offset_table_bytes"], 4 * 3 * 5);
    let text = run(&options);
    for words in [
        "Radius 1000006",
        "15.3 MiB",
        "499992",
        "-62500.37500",
        "head 1",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
}

#[test]
fn matrices_as_text() {
    let (_folder, table) = folder();
    let text = run(&["--bias=dense,alibi", "--table", &table]);
    // Six keys are shown in full; the slope of head 0 is a half.
    let dense = tensors()["bias"].values();
    let cells = (0..6).map(|j: u32| {
        let value = dense[6 + j as usize] - 0.5 * f64::from(j.abs_diff(1));
        format!("{value:>10.4}")
    });
    let second = format!("query 1{}", cells.collect::<String>());
    for words in [
        "dense + alibi, 3 heads, 4 queries x 6 keys",
        "Bias of head 2",
        &second,
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    let more = run(&["--bias=alibi", "--heads=9"]);
    assert!(more.contains("1 more heads"), "{more}");
}

#[test]
fn pictures_have_colours() {
    let (folder, table) = folder();
    let picture = folder.path().join("a.png");
    let png = picture.to_str().expect("a plain name");
    for (options, least) in [
        (&["--bias=alibi"][..], 100),
        (&["--bias=fire", "--queries=300", "--keys=40"], 100),
        (&["--bias=index"], 20),
        (&["--bias=sandwich", "--heads=3"], 20),
        (&["--bias=alibi", "--queries=1000000", "--keys=1000000"], 20),
    ] {
        let arguments = [&["inspect", "--table", &table, "--png", png], options].concat();
        succeeded(&relattn(&arguments));
        let drawn = Picture::decode(&picture);
        let (width, height, colours) = (drawn.width, drawn.height, drawn.colours());
        assert!((500..4000).contains(&width), "{options:?}: {width}");
        assert!((200..4000).contains(&height), "{options:?}: {height}");
        assert!(colours >= least, "{options:?}: {colours} colours");
        std::fs::remove_file(&picture).expect("removed");
    }
}

/// Offset 0 adds nothing, which is nearly white, and the farthest offsets lower scores most, which is red.
#[test]
fn the_map_of_a_head_shows_its_bias() {
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("a.png");
    let png = picture.to_str().expect("a plain name");
    run(&["--bias=alibi", "--png", png]);
    let drawn = Picture::decode(&picture);
    // Where the map of head 0 begins, and its side.
    let ([x, y], side) = ([36, 156], 210);
    let near = drawn.at(x + 2, y + 2);
    assert!(near.iter().all(|&level| level > 225), "{near:?}");
    for far in [drawn.at(x + side, y + 2), drawn.at(x + 2, y + side)] {
        let [red, green, blue] = far;
        assert!(red > 80 && green < 40 && blue < 60, "{far:?}");
    }
}

#[test]
fn no_bias_is_zeros() {
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("a.png");
    let png = picture.to_str().expect("a plain name");
    let sizes = ["--bias=none", "--heads=3", "--queries=4", "--keys=6"];
    let found = json(&[&sizes[..], &["--png", png]].concat());
    let zeros = vec![vec![vec![0.0; 6]; 4]; 3];
    assert_eq!(found["matrix"], Value::from(zeros));
    assert_eq!(found["bias"], Value::from(vec!["none"]));
    assert_eq!([&found["radius"], &found["offset_table_bytes"]], [0, 0]);
    Picture::decode(&picture);
    // As a function of the offset it has no matrix that could be too large.
    let text = run(&["--bias=none", "--queries=1000000", "--keys=1000000"]);
    for words in ["none, 8 heads", "Nothing is added to any score", "0.00000"] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
}

/// Buckets are the same for each head; the table has to have as many.
#[test]
fn buckets_for_some_heads() {
    let (_folder, table) = folder();
    assert_eq!(json(&["--heads=4"])["heads"], 4);
    assert_eq!(json(&[])["heads"], Value::Null);
    assert_eq!(json(&["--heads=3", "--table", &table])["heads"], 3);
    let text = run(&["--bias=t5", "--heads=4"]);
    assert!(text.contains("for all of 4 heads"), "{text}");
}

#[test]
fn options_that_nothing_reads_are_named() {
    let (_folder, table) = folder();
    for (options, notes) in [
        (
            &["--bias=alibi", "--max-offset=5"][..],
            &["--max-offset is for --bias offset"][..],
        ),
        // Defaults that are given are given too.
        (
            &["--bias=none", "--num-buckets=32", "--direction=causal"],
            &[
                "--num-buckets is for --bias t5",
                "--direction is for --bias t5",
            ],
        ),
        (
            &["--dimensions=4"],
            &["--dimensions is for --bias sandwich; --bias t5 does"],
        ),
        (&["--bias=sandwich", "--dimensions=4"], &[]),
        (
            &["--bias=sandwich", "--table", &table],
            &["sandwich reads no tensor of --table"],
        ),
        (&["--bias=alibi", "--table", &table], &[]),
    ] {
        let output = relattn([&["inspect"], options].concat());
        succeeded(&output);
        let found = String::from_utf8_lossy(&output.stderr);
        assert_eq!(found.matches("note: ").count(), notes.len(), "{found}");
        for note in notes {
            assert!(found.contains(note), "no {note:?} in {found}");
        }
    }
}

#[test]
fn bad_input_is_refused() {
    let (folder, table) = folder();
    let table = ["--table", &table];
    for (options, words) in [
        (&["--bias=none,alibi"][..], &["none beside alibi"][..]),
        (
            &["--bias=t5", "--heads=4"],
            &["t5_table", "[32, 3]", "[32, 4]"],
        ),
        (&["--bias=none", "--heads=0"], &["--heads", "0", "1.."]),
        (&["--bias=alibi,alibi"], &["alibi twice"]),
        (&["--bias=alibi", "--queries=0"], &["0 x 256"]),
        (
            &["--bias=alibi", "--device=vulkan"],
            &["--device vulkan", "t5"],
        ),
        (
            &["--bias=dense", "--queries=5"],
            &["bias", "[2, 3, 4, 6]", "5, 6]"],
        ),
        (
            &["--bias=index", "--heads=2"],
            &["index_table", "[7, 3]", "[7, 2]"],
        ),
        (&["--bias=offset"], &["offset_table", "[5, 3]", "[257, 3]"]),
        (
            &["--bias=fire", "--queries=100000", "--keys=100000"],
            &["30000000000 numbers", "67108864"],
        ),
        (&["--bias=alibi", "--keys=4294967295"], &["query_offset"]),
        (&["--bias=sandwich", "--dimensions=5"], &["dimensions is 5"]),
    ] {
        refused(
            &relattn([&["inspect"], &table[..], options].concat()),
            words,
        );
    }
    for kind in ["offset", "kerple-log", "fire", "index", "dense", "t5,alibi"] {
        let output = relattn(["inspect", "--bias", kind]);
        refused(&output, &["--bias", "--table"]);
    }
    let other = folder.path().join("other.safetensors");
    for shape in [[0, 3, 4, 6], [1, 3, 0, 6]] {
        let made = Made::floats(&shape);
        std::fs::write(&other, file(&[("bias", made)].into())).expect("written");
        let path = other.to_str().expect("a plain name");
        let words = if shape[0] == 0 {
            "[0, 3, 4, 6]"
        } else {
            "0 x 6"
        };
        refused(
            &relattn(["inspect", "--bias=dense", "--table", path]),
            &[words],
        );
    }
    std::fs::remove_file(other).expect("removed");
    let names = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(names, 1, "something was written");
}
