//! The recorded runs of T5.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;

pub(crate) const CASES: [&str; 8] = [
    "t5_enc_b2_h8_n77",
    "t5_enc_b1_h6_n200",
    "t5_enc_keypad_b3_h4_n50",
    "t5_dec_b2_h8_n77",
    "t5_dec_b1_h2_n200",
    "t5_dec_keypad_b3_h4_n50",
    "t5_dec_step_b1_h8_q1_k128",
    "t5_dec_chunk_b1_h8_q16_k128",
];

/// The options that a recorded file's metadata ask for.
pub(crate) fn options(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).expect("a file");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
    let metadata: HashMap<String, String> = header.metadata().clone().expect("metadata");
    let direction = match metadata["bidirectional"].as_str() {
        "true" => "bidirectional",
        _ => "causal",
    };
    let mut options = vec!["--direction".to_owned(), direction.to_owned()];
    for name in ["num_buckets", "max_distance", "scale", "query_offset"] {
        options.push(format!("--{}", name.replace('_', "-")));
        options.push(metadata[name].clone());
    }
    if metadata["causal"] == "true" {
        options.push("--causal".into());
    }
    options
}
