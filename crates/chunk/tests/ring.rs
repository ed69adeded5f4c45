//! Behaviour of the ring.
#![cfg(not(loom))]

use std::sync::Arc;
use std::thread;

use chunk::ring::spsc;

#[test]
fn values_come_out_in_order_and_a_full_ring_gives_them_back() {
    let (mut producer, mut consumer) = spsc(3);
    assert_eq!((producer.capacity(), consumer.len()), (4, 0));
    assert_eq!((consumer.pop(), consumer.peek()), (None, None));
    for round in 0..10 {
        for value in 0..4 {
            producer.push(round * 4 + value).unwrap();
        }
        assert!(producer.is_full() && consumer.is_full());
        assert_eq!(producer.push(99), Err(99));
        assert_eq!(consumer.peek(), Some(&(round * 4)));
        *consumer.peek_mut().unwrap() += 1;
        assert_eq!(consumer.pop(), Some(round * 4 + 1));
        assert_eq!((producer.len(), consumer.len()), (3, 3));
        for value in 1..4 {
            assert_eq!(consumer.pop(), Some(round * 4 + value));
        }
        assert!(producer.is_empty() && consumer.is_empty());
    }
}

#[test]
fn what_is_left_is_dropped_once() {
    let token = Arc::new(());
    let (mut producer, mut consumer) = spsc(0);
    producer.push(Arc::clone(&token)).unwrap();
    assert!(producer.push(Arc::clone(&token)).is_err());
    drop(consumer.pop());
    producer.push(Arc::clone(&token)).unwrap();
    assert_eq!(Arc::strong_count(&token), 2);
    drop(producer);
    assert_eq!(Arc::strong_count(&token), 2);
    drop(consumer);
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn two_threads_hand_over_everything_in_order() {
    const COUNT: usize = 200_000;
    let (mut producer, mut consumer) = spsc(64);
    let sender = thread::spawn(move || {
        for value in 0..COUNT {
            let mut boxed = Box::new(value);
            while let Err(back) = producer.push(boxed) {
                boxed = back;
                thread::yield_now();
            }
        }
    });
    for expected in 0..COUNT {
        let value = loop {
            if let Some(value) = consumer.pop() {
                break value;
            }
            thread::yield_now();
        };
        assert_eq!(*value, expected);
    }
    sender.join().unwrap();
    assert!(consumer.is_empty());
}
