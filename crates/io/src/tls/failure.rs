//! What TLS refuses, in words that tell what to do.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use wire::Code;

use super::date::day;

/// An error of rustls as one of the stream: [`broken`](crate::failure::broken) finds the words in it.
pub(crate) fn failed(error: &Error, on_client: bool) -> io::Error {
    let text = describe(error, on_client);
    io::Error::new(
        io::ErrorKind::InvalidData,
        wire::Error::new(Code::Tls, format!("TLS: {text}")),
    )
}

/// The socket ended, and the peer had not said that it would.
pub(crate) fn cut_off(in_handshake: bool) -> io::Error {
    let text = if in_handshake {
        "the peer hung up in the middle of the TLS handshake"
    } else {
        "the connection was cut off: it ended without the goodbye of TLS (close_notify)"
    };
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        wire::Error::new(Code::Closed, text),
    )
}

fn describe(error: &Error, on_client: bool) -> String {
    let peer = if on_client { "server" } else { "client" };
    match error {
        Error::InvalidCertificate(why) => {
            format!("the certificate of the {peer} {}", refused(why))
        }
        Error::NoCertificatesPresented => {
            "the client showed no certificate, and this server wants one (it was opened with security.ca); \
             open the client with security.key and security.cert"
                .into()
        }
        Error::AlertReceived(alert) => told(*alert, peer),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => format!(
            "the {peer} does not speak TLS; was it opened without the option security? Both sides need it"
        ),
        Error::PeerIncompatible(why) => format!(
            "no version or cipher of TLS that both sides know ({why:?}); TLS 1.2 and 1.3 are known here, unless \
             security.minVersion says otherwise"
        ),
        Error::DecryptError => "a record was changed on its way, or the peer lost count".into(),
        other => other.to_string(),
    }
}

/// Why a certificate is not taken; the part of the sentence behind it.
fn refused(why: &CertificateError) -> String {
    match why {
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "has expired on {}; renew it (or set this machine's clock right)",
            day(*not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "is not valid before {}; is this machine's clock right?",
            day(*not_before)
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = expected.to_str();
            let names = names(presented);
            format!(
                "is not one for '{expected}': {names}; connect by a name that it has, or say which one to expect in \
                 security.servername"
            )
        }
        CertificateError::UnknownIssuer => "is not signed by a certificate authority that is trusted here; give that \
             authority's certificate (or the certificate itself, if it is self-signed) in security.ca"
            .into(),
        CertificateError::BadSignature => {
            "is signed by another authority than the one of that name that is trusted here; give the right one in \
             security.ca"
                .into()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is made for another purpose (see its extended key usage: a server needs serverAuth, a client clientAuth)"
                .into()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed by an algorithm that is too weak or not known here; use ECDSA, Ed25519, or RSA of 2048 bits and \
             more with SHA-256"
                .into()
        }
        other => format!("is refused: {other:?}"),
    }
}

/// rustls tells them as `DnsName("a")` and `IpAddress(1.2.3.4)`.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "it has no names (subjectAltName; the common name does not count)".into();
    }
    let bare = |name: &String| {
        let inner = name.split_once('(').map_or(&**name, |(_, inner)| inner);
        inner.trim_matches(['(', ')', '"']).to_owned()
    };
    let names: Vec<_> = presented.iter().take(10).map(bare).collect();
    format!("its names are {}", names.join(", "))
}

/// The peer gave up and said why.
fn told(alert: AlertDescription, peer: &str) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the server wants a certificate of this client; give security.key and security.cert"
                .into()
        }
        AlertDescription::UnknownCA => format!(
            "the {peer} does not trust the certificate of this side (unknown CA); the {peer} needs its authority's \
             certificate in security.ca"
        ),
        AlertDescription::CertificateExpired => {
            // TLS has one word for both.
            format!(
                "the {peer} says that the certificate of this side has expired, or is not valid yet; renew it, or set the \
                 clock right (here or there)"
            )
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => {
            format!("the {peer} refuses the certificate of this side ({alert:?})")
        }
        AlertDescription::DecryptError => format!(
            "the {peer} cannot verify the certificate of this side, or what was signed with it (DecryptError)"
        ),
        AlertDescription::ProtocolVersion => {
            format!("the {peer} speaks no version of TLS that this side takes")
        }
        AlertDescription::HandshakeFailure => {
            format!(
                "the {peer} finds nothing that both sides can do, or wants a certificate (HandshakeFailure)"
            )
        }
        other => format!("the {peer} gave up ({other:?})"),
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn a_wrong_name_is_told_with_the_names_there_are() {
        let why = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("127.0.0.1").unwrap(),
            presented: vec![
                "DnsName(\"queue.example\")".into(),
                "IpAddress(10.0.0.1)".into(),
            ],
        };
        let text = describe(&Error::InvalidCertificate(why), true);
        assert!(
            text.starts_with(
                "the certificate of the server is not one for '127.0.0.1': its names are queue.example, 10.0.0.1;"
            ),
            "{text}"
        );
    }
}
