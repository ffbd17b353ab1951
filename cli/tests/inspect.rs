//! `relattn inspect`: thresholds, matrix and picture.

mod harness;

use harness::{Made, Picture, file, recorded, refused, relattn, stdout, succeeded};
use relattn::{Direction, RelativeBuckets};

fn json(arguments: &[&str]) -> serde_json::Value {
    let output = relattn(arguments);
    succeeded(&output);
    serde_json::from_str(&stdout(&output)).expect("JSON")
}

#[test]
fn text_of_the_encoder() {
    let output = relattn(["inspect", "--device", "cpu"]);
    succeeded(&output);
    let text = stdout(&output);
    for words in [
        "32-45",
        "91..",
        "From distance 91",
        "16 tiles (64 queries x 64 keys)",
        "query 255",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
}

#[test]
fn the_matrix_is_the_thresholds_on_the_cpu_and_on_the_device() {
    for device in ["cpu", "auto"] {
        for (direction, buckets) in [
            ("bidirectional", Direction::Bidirectional),
            ("causal", Direction::Causal),
        ] {
            let found = json(&[
                "inspect",
                "--json",
                "--device",
                device,
                "--direction",
                direction,
                "--queries",
                "7",
                "--keys",
                "150",
                "--query-offset",
                "-3",
            ]);
            let buckets = RelativeBuckets {
                direction: buckets,
                ..RelativeBuckets::t5_encoder()
            };
            let thresholds = buckets.thresholds().expect("valid");
            assert_eq!(found["saturation"], thresholds.saturation());
            for i in 0..7 {
                for j in 0..150 {
                    let at = |n: i64| usize::try_from(n).expect("small");
                    let bucket = &found["matrix"][at(i)][at(j)];
                    assert_eq!(*bucket, thresholds.bucket(j - i + 3), "{i} {j} {device}");
                }
            }
        }
    }
}

#[test]
fn pictures_decode() {
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("a.png");
    let own = folder.path().join("table.safetensors");
    let table = Made::floats(&[320, 16]);
    std::fs::write(&own, file(&[("table", table)].into())).expect("written");
    let own = own.to_str().expect("a plain name");
    for (options, least_colours) in [
        (&[][..], 200),
        (&["--direction", "causal"], 32),
        (&["--queries", "1", "--keys", "5000"], 32),
        (&["--queries", "3", "--keys", "2"], 5),
        (&["--queries", "1000000", "--keys", "1000000"], 32),
        (
            &[
                "--num-buckets",
                "320",
                "--max-distance",
                "800",
                "--table",
                own,
            ],
            200,
        ),
    ] {
        let mut arguments = vec!["inspect", "--device", "cpu", "--png"];
        arguments.push(picture.to_str().expect("a plain name"));
        arguments.extend(options);
        succeeded(&relattn(&arguments));
        let drawn = Picture::decode(&picture);
        let (width, height, colours) = (drawn.width, drawn.height, drawn.colours());
        assert!((500..4000).contains(&width), "{options:?}: {width}");
        assert!((200..4000).contains(&height), "{options:?}: {height}");
        assert!(colours >= least_colours, "{options:?}: {colours} colours");
        std::fs::remove_file(&picture).expect("removed");
    }
}

#[test]
fn bad_input_is_refused() {
    let without = recorded("buckets.safetensors");
    let without = without.to_str().expect("a plain name");
    let other = recorded("t5_enc_b1_h6_n200.safetensors");
    let other = other.to_str().expect("a plain name");
    for (options, words) in [
        (&["--queries", "0"][..], &["0 x 256", "at least 1"][..]),
        (&["--max-distance", "4"], &["max_distance is 4", "9..="]),
        (&["--num-buckets", "5000"], &["num_buckets is 5000", "2048"]),
        (
            &["--queries", "4294967295"],
            &["query_offset", "1073741823"],
        ),
        (&["--device", "oracle"], &["oracle"]),
        (&["--device", "abacus"], &["no device", "cpu"]),
        (&["--table", "absent.safetensors"], &["absent.safetensors"]),
        (&["--table", without], &["no tensor table"]),
        (
            &["--table", other, "--num-buckets", "64"],
            &["[32, 2]", "[64, 2]"],
        ),
    ] {
        let arguments = std::iter::once(&"inspect").chain(options);
        refused(&relattn(arguments), words);
    }
}
