#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| chaski_fuzz::batches(data));
