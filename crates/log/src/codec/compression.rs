use crate::{Codec, Error, ErrorKind};

/// A codec, and how hard it tries. A codec alone makes one with its usual level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Compression {
    codec: Codec,
    level: i32,
}

/// What Kafka's clients use where nothing is said.
const GZIP_LEVEL: i32 = 6;
const ZSTD_LEVEL: i32 = 3;
/// As quick as zstd gets before it hardly compresses any more.
const LEAST_ZSTD_LEVEL: i32 = -7;
const MOST_ZSTD_LEVEL: i32 = 22;

impl Compression {
    /// That codec with that level: 1 to 9 for gzip, −7 to 22 for zstd; the others have one.
    ///
    /// # Errors
    ///
    /// `Invalid` for any other level.
    pub fn new(codec: Codec, level: Option<i32>) -> Result<Self, Error> {
        let Some(level) = level else {
            return Ok(Self::from(codec));
        };
        let levels = match codec {
            Codec::Gzip => 1..=9,
            Codec::Zstd => LEAST_ZSTD_LEVEL..=MOST_ZSTD_LEVEL,
            Codec::None | Codec::Snappy | Codec::Lz4 => {
                let message = format!("compression {codec:?} has no levels; leave the level out");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        };
        if levels.contains(&level) {
            return Ok(Self { codec, level });
        }
        let message = format!("compression {codec:?} has levels {levels:?}, not {level}");
        Err(Error::new(ErrorKind::Invalid, message))
    }

    /// The codec.
    #[must_use]
    pub const fn codec(self) -> Codec {
        self.codec
    }

    /// The level; 0 for a codec that has none.
    #[must_use]
    pub const fn level(self) -> i32 {
        self.level
    }
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        let level = match codec {
            Codec::Gzip => GZIP_LEVEL,
            Codec::Zstd => ZSTD_LEVEL,
            Codec::None | Codec::Snappy | Codec::Lz4 => 0,
        };
        Self { codec, level }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_the_codec_does_not_have_is_refused() {
        for (codec, good, bad) in [
            (Codec::Gzip, &[1, 9][..], &[0, 10, -1][..]),
            (Codec::Zstd, &[-7, 0, 1, 22], &[-8, 23]),
            (Codec::None, &[], &[0]),
            (Codec::Snappy, &[], &[1]),
            (Codec::Lz4, &[], &[9]),
        ] {
            assert_eq!(Compression::new(codec, None).unwrap(), codec.into());
            for level in good {
                let made = Compression::new(codec, Some(*level)).unwrap();
                assert_eq!((made.codec(), made.level()), (codec, *level));
            }
            for level in bad {
                let error = Compression::new(codec, Some(*level)).unwrap_err();
                assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
            }
        }
    }
}
