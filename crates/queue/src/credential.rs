use wire::Secret;

/// What a client showed when its session began, and whoever goes on with that session has to show again.
#[derive(Clone, Copy, Default)]
pub(crate) struct Credential {
    /// All zeros: it showed none.
    pub(crate) secret: Secret,
    /// SHA-256 of its certificate.
    pub(crate) certificate: Option<[u8; 32]>,
}

impl Credential {
    /// Whether `other` proves to be the same one: by the same secret, or by the same certificate.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        let has_secret = self.secret != Secret::default();
        let same_secret = same(&self.secret, &other.secret);
        let same_certificate = match (&self.certificate, &other.certificate) {
            (Some(own), Some(other)) => same(own, other),
            _ => false,
        };
        (has_secret && same_secret) || same_certificate
    }
}

/// Takes the same time wherever the two differ, so that nobody finds a secret byte by byte.
fn same<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    let difference = a
        .iter()
        .zip(b)
        .fold(0, |difference, (a, b)| difference | (a ^ b));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(secret: u8, certificate: Option<u8>) -> Credential {
        Credential {
            secret: [secret; 16],
            certificate: certificate.map(|byte| [byte; 32]),
        }
    }

    #[test]
    fn a_session_is_resumed_by_its_secret_or_its_certificate() {
        let first = credential(1, Some(7));
        assert!(first.matches(&credential(1, None)));
        assert!(first.matches(&credential(2, Some(7))));
        assert!(!first.matches(&credential(2, Some(8))));
        assert!(!first.matches(&credential(2, None)));
        let mut near = first;
        near.secret[15] ^= 1;
        near.certificate = None;
        assert!(!first.matches(&near));
    }

    #[test]
    fn who_showed_nothing_is_recognized_by_nothing() {
        let none = credential(0, None);
        assert!(!none.matches(&none));
    }
}
