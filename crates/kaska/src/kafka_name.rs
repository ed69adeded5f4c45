use log::TopicName;

/// Longest name of a topic that Kafka's clients take.
const MOST_BYTES: usize = 249;

/// Whether Kafka's clients could name that topic: at most 249 of ASCII letters, digits, `.`, `_` and `-`, and neither `.`
/// nor `..`.
#[must_use]
pub fn is_kafka(name: &TopicName) -> bool {
    let name = name.as_str();
    name.len() <= MOST_BYTES
        && name != "."
        && name != ".."
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(name: &str) -> bool {
        is_kafka(&TopicName::parse(name.as_bytes()).unwrap())
    }

    #[test]
    fn kafka_takes_249_of_its_alphabet() {
        assert!(judge("a.b_c-D9"));
        assert!(judge(&"x".repeat(249)));
        assert!(!judge(&"x".repeat(250)));
        assert!(judge("..."));
        for other in [".", "..", "a b", "a/b", "é", "a\nb", "a:b"] {
            assert!(!judge(other), "{other}");
        }
    }
}
