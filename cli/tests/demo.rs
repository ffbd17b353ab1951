//! The demo on a shorter sequence than its own, because a software driver needs long for that.

mod harness;

use harness::{refused, relattn, stdout, succeeded};

#[test]
fn errors_are_small_on_the_device_and_on_the_cpu() {
    for device in ["auto", "cpu"] {
        let output = relattn(["demo", "--length", "200", "--json", "--device", device]);
        succeeded(&output);
        let found: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        for row in found["layer"]["rows"].as_array().expect("rows") {
            for key in ["error_oracle", "error_recorded"] {
                let error = row[key].as_f64().expect("a number");
                assert!(error > 0.0 && error < 2e-6, "{row}");
            }
        }
        for row in found["long"]["rows"].as_array().expect("rows") {
            assert!(
                row["error_oracle"].as_f64().expect("a number") < 1e-5,
                "{row}"
            );
        }
        let rows = found["long"]["rows"].as_array().map(Vec::len);
        let expected = if found["device"].is_null() { 1 } else { 2 };
        assert_eq!(rows, Some(expected));
        assert_eq!(found["corner"]["wrong"], 0);
    }
}

#[test]
fn text_for_people() {
    let output = relattn(["demo", "--length", "48", "--device", "cpu"]);
    succeeded(&output);
    let text = stdout(&output);
    for words in [
        "all-mpnet-base-v2",
        "Apache-2.0",
        "cpu::Tiled",
        "432 KiB",
        "10.1 KiB",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
}

#[test]
fn the_oracle_is_no_device_of_the_demo() {
    refused(&relattn(["demo", "--device", "oracle"]), &["oracle"]);
}
