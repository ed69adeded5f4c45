//! The first bytes of a connection.

use wire::{HelloParse, MAX_CLUSTER_BYTES, MAX_HELLO_BYTES, parse_hello};

/// Every hello comes back from what it is written as; a part of one waits for the rest.
pub(crate) fn run(bytes: &[u8]) {
    match parse_hello(bytes) {
        Err(error) => assert!(!error.message.is_empty()),
        Ok(HelloParse::Need) => {
            assert!(bytes.len() < 12 + MAX_HELLO_BYTES);
            waits(bytes, bytes.len());
        }
        Ok(HelloParse::Hello(hello, taken)) => {
            assert!(hello.cluster.len() <= MAX_CLUSTER_BYTES);
            waits(bytes, taken);
            let written = hello.encode();
            let _chosen = hello.check_answer();
            let length = written.len();
            assert_eq!(parse_hello(&written), Ok(HelloParse::Hello(hello, length)));
        }
        Ok(HelloParse::Refused(refusal)) => {
            let Ok(HelloParse::Refused(again)) = parse_hello(&refusal.encode()) else {
                panic!("the own refusal is refused");
            };
            assert_eq!(again.0.code, refusal.0.code);
            if refusal.0.message.len() <= 512 {
                assert_eq!(again, refusal);
            }
        }
    }
}

fn waits(bytes: &[u8], taken: usize) {
    for end in (0..taken).step_by(1 + taken / 64) {
        assert_eq!(parse_hello(&bytes[..end]), Ok(HelloParse::Need));
    }
}
