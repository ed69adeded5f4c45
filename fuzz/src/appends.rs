//! One call that appends: `u8 codec and kind | u8 records | numbers | bytes`. Lengths and times as JavaScript could pass them, right
//! or wrong.

use log::batch::{Encoder, Header, Input, Records, Shape, Times, check};
use log::{Codec, ErrorKind};

const MOST: u32 = 1 << 16;

/// What is taken comes back as it was, and what does not add up is refused.
pub(crate) fn run(data: &[u8]) {
    let Some((&[kind, many], rest)) = data.split_first_chunk() else {
        return;
    };
    let codec = Codec::from_number(u16::from(kind & 7)).unwrap_or_default();
    let (full, own_times) = (kind & 8 != 0, kind & 16 != 0);
    let numbers = usize::from(many) * if full { 3 } else { 1 };
    let mut rest = rest;
    // Small numbers by one byte, so that some add up; 255 is the largest there is.
    let mut number = || {
        let (&first, behind) = rest.split_first()?;
        rest = behind;
        Some(if first == 255 {
            u32::MAX
        } else {
            u32::from(first)
        })
    };
    let shape: Vec<u32> = (0..numbers).map_while(|_| number()).collect();
    let times: Vec<f64> = (0..if own_times { many } else { 0 })
        .map_while(|_| number())
        .map(|n| match n {
            254 => f64::NAN,
            253 => 9_007_199_254_740_992.0,
            252 => -9_007_199_254_740_992.0,
            251 => 0.5,
            n => f64::from(n) - 100.0,
        })
        .collect();
    let input = Input {
        data: rest,
        shape: if full {
            Shape::Full(&shape)
        } else {
            Shape::Values(&shape)
        },
        times: if own_times {
            Times::Each(&times)
        } else {
            Times::One(1_700_000_000_000)
        },
    };
    let mut encoder = Encoder::new(MOST);
    let batch = match encoder.encode(&input, codec, None) {
        Ok(batch) => batch,
        Err(error) => {
            assert!(matches!(
                error.kind,
                ErrorKind::Invalid | ErrorKind::TooLarge
            ));
            return;
        }
    };
    let header = Header::parse_prefix(batch.bytes(), MOST + 1024).unwrap();
    assert_eq!(header, *batch.header());
    assert_eq!(check(batch.bytes(), &header), Ok(()));
    let mut into = Vec::new();
    let records = Records::inflated(batch.bytes(), &header, MOST as usize, &mut into).unwrap();
    let mut latest = i64::MIN;
    let mut count = 0;
    let mut bytes = Vec::new();
    for (place, record) in records.enumerate() {
        let record = record.unwrap();
        if let Some(&ms) = times.get(place) {
            assert_eq!(record.ms as f64, ms);
        }
        latest = latest.max(record.ms);
        let parts = shape.get(place * 3..place * 3 + 2).filter(|_| full);
        if let Some(lengths) = parts {
            let told = [record.key, record.value].map(|part| part.map_or(0, |part| part.len() + 1));
            assert_eq!(told.map(|length| length as u32), lengths);
        }
        bytes.extend_from_slice(record.key.unwrap_or_default());
        bytes.extend_from_slice(record.value.unwrap_or_default());
        for header in record.headers {
            let length = header.value.map_or(0, |value| value.len() + 1);
            bytes.extend((header.key.len() as u32).to_le_bytes());
            bytes.extend((length as u32).to_le_bytes());
            bytes.extend_from_slice(header.key);
            bytes.extend_from_slice(header.value.unwrap_or_default());
        }
        count += 1;
    }
    assert_eq!(bytes, input.data);
    assert_eq!((count, latest), (header.count, header.max_ms));
}
