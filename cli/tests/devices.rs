//! `relattn devices`.

mod harness;

use harness::{relattn, stdout, succeeded};

#[test]
fn the_list_is_json_and_text() {
    let output = relattn(["devices", "--json"]);
    succeeded(&output);
    let list: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let text = relattn(["devices"]);
    succeeded(&text);
    for found in list.as_array().expect("an array") {
        let name = found["name"].as_str().expect("a name");
        assert!(stdout(&text).contains(name));
        assert_eq!(found["runs"] == true, found["reason"].is_null());
        assert!(found["workgroup_memory"].as_u64().expect("a number") > 0);
    }
}

#[test]
fn every_adapter_can_be_named() {
    let output = relattn(["devices", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    for found in list.as_array().expect("an array") {
        let [backend, name] = ["backend", "name"].map(|key| found[key].as_str().expect("text"));
        let label = format!("{backend}/{name}").to_uppercase();
        let result = relattn(["inspect", "--json", "--device", &label]);
        if found["runs"] == true {
            succeeded(&result);
            assert!(stdout(&result).contains(&format!("{backend}/{name}")));
        } else {
            assert_eq!(result.status.code(), Some(2));
        }
    }
}
