#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| relattn_invariants::linker(bytes));
