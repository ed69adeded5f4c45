use crate::{Error, ErrorKind};

/// Longest name of a topic in bytes: what fits a message of the original Kaska.
const MAX_NAME_BYTES: usize = 65_534;

/// The name of a topic: 1 to 65,534 bytes of UTF-8 without NUL. It stands inside files and never in a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(Box<str>);

impl TopicName {
    /// The name from its bytes.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is empty, longer than 65,534 bytes, no UTF-8, or has a NUL in it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let refuse = |why: String| Err(Error::new(ErrorKind::Invalid, why));
        if bytes.is_empty() {
            return refuse("the name of a topic is empty; give it at least one byte".into());
        }
        if bytes.len() > MAX_NAME_BYTES {
            return refuse(format!(
                "the name of a topic has {} bytes; at most {MAX_NAME_BYTES} are possible",
                bytes.len()
            ));
        }
        let Ok(name) = std::str::from_utf8(bytes) else {
            return refuse("the name of a topic is not UTF-8".into());
        };
        if let Some(at) = name.find('\0') {
            return refuse(format!("the name of a topic has a NUL at byte {at}"));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_1_to_65534_bytes() {
        assert!(TopicName::parse(b"").is_err());
        assert_eq!(TopicName::parse(b"a").unwrap().as_str(), "a");
        assert!(TopicName::parse(&[b'x'; 65_534]).is_ok());
        assert!(TopicName::parse(&[b'x'; 65_535]).is_err());
    }

    #[test]
    fn what_looks_like_a_path_is_a_name_as_any_other() {
        for name in ["../../etc/passwd", "/", ".", "a\nb", "ключ"] {
            assert_eq!(TopicName::parse(name.as_bytes()).unwrap().as_str(), name);
        }
    }

    #[test]
    fn no_utf_8_and_no_nul() {
        assert!(TopicName::parse(b"a\0b").is_err());
        // A lone surrogate, as some encoders write it.
        assert!(TopicName::parse(&[0xed, 0xa0, 0x80]).is_err());
    }
}
