//! TLS over real sockets, between our own ends and with rustls as a stranger on the other one.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use io::{ClientSecurity, Pem, ServerSecurity};
use ring::digest::{SHA256, digest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use wire::Code;

use crate::support::{Dialing, Ends, Listening, Running, eventually};

/// A self-signed certificate and its key.
struct Identity {
    cert: String,
    key: String,
    hash: [u8; 32],
}

fn identity(name: &str) -> Identity {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let hash = digest(&SHA256, made.cert.der());
    Identity {
        cert: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
        hash: hash.as_ref().try_into().unwrap(),
    }
}

impl Identity {
    fn pem(&self) -> Pem {
        Pem {
            key: Some(self.key.clone().into_bytes()),
            cert: Some(self.cert.clone().into_bytes()),
            ..Pem::default()
        }
    }

    fn server(&self) -> ServerSecurity {
        ServerSecurity::new(&self.pem()).unwrap()
    }

    fn ca(&self) -> Vec<Vec<u8>> {
        vec![self.cert.clone().into_bytes()]
    }

    /// A client that trusts this one.
    fn client(&self) -> ClientSecurity {
        let pem = Pem {
            ca: self.ca(),
            ..Pem::default()
        };
        ClientSecurity::new(&pem, "localhost", false).unwrap()
    }

    fn stranger(&self, version: &'static rustls::SupportedProtocolVersion) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        let der = CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap();
        roots.add(der).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        ClientConnection::new(Arc::new(config), name).unwrap()
    }
}

type Stranger = StreamOwned<ClientConnection, TcpStream>;

fn connect(
    server: &Identity,
    listening: &Listening,
    version: &'static rustls::SupportedProtocolVersion,
) -> Stranger {
    let socket = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    StreamOwned::new(server.stranger(version), socket)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}

#[test]
fn bytes_come_back_and_each_side_hears_once_who_the_other_is() {
    let (server, client) = (identity("localhost"), identity("client"));
    let mutual = Pem {
        ca: client.ca(),
        ..server.pem()
    };
    let mutual = ServerSecurity::new(&mutual).unwrap();
    let guest = Pem {
        ca: server.ca(),
        ..client.pem()
    };
    let guest = ClientSecurity::new(&guest, "localhost", false).unwrap();
    for running in Running::each() {
        let listening = Listening::secured(&running.host, mutual.clone(), Ends::Echo);
        let dialing = Dialing::secured(&running.host, listening.at(), guest.clone(), Ends::Keep);
        let bytes = pattern(3_000_000);
        for piece in bytes.chunks(70_001) {
            dialing.send(&running.host, piece, piece.len() % 2 == 0);
        }
        eventually("all comes back", || {
            dialing.script.with(|state| state.read.len() == bytes.len())
        });
        assert!(dialing.script.with(|state| state.read == bytes));
        let (_, accepted) = listening.session(0);
        let told = |expected: [u8; 32]| Some((Some(expected), 0));
        assert_eq!(accepted.with(|state| state.secured), told(client.hash));
        assert_eq!(
            dialing.script.with(|state| state.secured),
            told(server.hash)
        );
    }
}

#[test]
fn who_shows_no_certificate_is_told_as_none() {
    let server = identity("localhost");
    for running in Running::each() {
        let listening = Listening::secured(&running.host, server.server(), Ends::Echo);
        let dialing = Dialing::secured(&running.host, listening.at(), server.client(), Ends::Keep);
        dialing.send(&running.host, b"x", false);
        let (_, accepted) = listening.session(0);
        eventually("it is secured", || {
            accepted.with(|state| state.secured.is_some())
        });
        assert_eq!(accepted.with(|state| state.secured), Some((None, 0)));
    }
}

#[test]
fn both_versions_are_spoken_with_a_stranger_in_pieces_of_any_size() {
    let server = identity("localhost");
    for running in Running::each() {
        let listening = Listening::secured(&running.host, server.server(), Ends::Echo);
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let mut stranger = connect(&server, &listening, version);
            for length in [1, 2, 16_383, 16_384, 16_385, 100_000] {
                let bytes = pattern(length);
                stranger.write_all(&bytes).unwrap();
                let mut back = vec![0; length];
                stranger.read_exact(&mut back).unwrap();
                assert!(back == bytes, "{length} bytes over {:?}", version.version);
            }
            assert_eq!(stranger.conn.protocol_version(), Some(version.version));
        }
    }
}

#[test]
fn a_handshake_byte_by_byte_is_one() {
    let server = identity("localhost");
    for running in Running::each() {
        let listening = Listening::secured(&running.host, server.server(), Ends::Echo);
        let mut stranger = connect(&server, &listening, &rustls::version::TLS13);
        stranger.sock.set_nodelay(true).unwrap();
        let Stranger { conn, sock } = &mut stranger;
        while conn.is_handshaking() || conn.wants_write() {
            let mut flight = Vec::new();
            while conn.wants_write() {
                conn.write_tls(&mut flight).unwrap();
            }
            for byte in flight {
                sock.write_all(&[byte]).unwrap();
            }
            if conn.is_handshaking() {
                conn.read_tls(sock).unwrap();
                conn.process_new_packets().unwrap();
            }
        }
        stranger.write_all(b"made it").unwrap();
        let mut back = [0; 7];
        stranger.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"made it");
    }
}

#[test]
fn an_end_in_order_is_one_and_a_cut_is_an_error() {
    let server = identity("localhost");
    for running in Running::each() {
        let listening = Listening::secured(&running.host, server.server(), Ends::Keep);
        for (number, says_goodbye) in [true, false].into_iter().enumerate() {
            let mut stranger = connect(&server, &listening, &rustls::version::TLS13);
            stranger.write_all(b"the last words").unwrap();
            let (_, accepted) = listening.session(number);
            accepted.with(|state| state.finish = true);
            if says_goodbye {
                stranger.conn.send_close_notify();
                stranger.conn.complete_io(&mut stranger.sock).unwrap();
            }
            stranger.sock.shutdown(Shutdown::Write).unwrap();
            eventually("it ends", || accepted.with(|state| state.closed.is_some()));
            accepted.with(|state| {
                assert_eq!(state.read, b"the last words");
                assert_eq!(state.eof, says_goodbye);
                let closed = state.closed.clone().unwrap();
                if says_goodbye {
                    assert_eq!(closed, Ok(()));
                } else {
                    let error = closed.unwrap_err();
                    assert_eq!(error.code, Code::Closed);
                    assert!(error.message.contains("close_notify"), "{error}");
                }
            });
        }
    }
}

#[test]
fn a_session_that_has_said_all_takes_leave_by_tls() {
    let server = identity("localhost");
    for running in Running::each() {
        let listening = Listening::secured(&running.host, server.server(), Ends::Echo);
        let mut stranger = connect(&server, &listening, &rustls::version::TLS13);
        stranger.write_all(b"echo").unwrap();
        let (token, accepted) = listening.session(0);
        eventually("it is read", || {
            accepted.with(|state| state.read_bytes == 4)
        });
        accepted.with(|state| state.finish = true);
        running.host.nudge(token, false);
        // `read_to_end` fails when the connection is cut off instead.
        let mut all = Vec::new();
        stranger.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"echo");
    }
}

#[test]
fn a_peer_that_does_not_read_costs_one_write_and_gets_all_when_it_does() {
    const BYTES: usize = 64 << 20;
    let server = identity("localhost");
    for running in Running::each() {
        let listening = Listening::secured(&running.host, server.server(), Ends::Keep);
        let mut stranger = connect(&server, &listening, &rustls::version::TLS13);
        stranger.write_all(b"x").unwrap();
        let (token, accepted) = listening.session(0);
        accepted.with(|state| state.to_send = vec![7; BYTES]);
        running.host.nudge(token, false);
        let mut before = 0;
        eventually("the socket is full", || {
            std::thread::sleep(Duration::from_millis(30));
            let sent = accepted.with(|state| state.sent_bytes);
            std::mem::replace(&mut before, sent) == sent && sent > 0
        });
        // What loopback sockets hold of a stream nobody reads.
        assert!(before < 16 << 20, "{before} bytes were taken");
        let mut buffer = vec![0; 1 << 20];
        let mut got = 0;
        while got < BYTES {
            let n = stranger.read(&mut buffer).unwrap();
            assert!(n > 0 && buffer[..n].iter().all(|byte| *byte == 7));
            got += n;
        }
        assert_eq!(got, BYTES);
    }
}

#[test]
fn a_session_that_takes_nothing_leaves_it_in_the_socket_and_still_writes() {
    let server = identity("localhost");
    for running in Running::each() {
        let listening = Listening::secured(&running.host, server.server(), Ends::Count);
        let mut stranger = connect(&server, &listening, &rustls::version::TLS13);
        stranger.write_all(b"x").unwrap();
        let (token, accepted) = listening.session(0);
        eventually("it is read", || {
            accepted.with(|state| state.read_bytes == 1)
        });
        accepted.with(|state| state.paused = true);
        // As much as the sockets hold.
        const MORE: usize = 1 << 20;
        stranger.write_all(&vec![1; MORE]).unwrap();
        accepted.with(|state| state.to_send = b"meanwhile".to_vec());
        running.host.nudge(token, false);
        let mut meanwhile = [0; 9];
        stranger.read_exact(&mut meanwhile).unwrap();
        assert_eq!(&meanwhile, b"meanwhile");
        assert_eq!(accepted.with(|state| state.read_bytes), 1);
        accepted.with(|state| state.paused = false);
        running.host.nudge(token, false);
        eventually("the rest is read", || {
            accepted.with(|state| state.read_bytes == 1 + MORE)
        });
    }
}

#[test]
fn what_was_changed_on_its_way_ends_the_connection_and_nothing_of_it_is_read() {
    let server = identity("localhost");
    for running in Running::each() {
        let listening = Listening::secured(&running.host, server.server(), Ends::Keep);
        let damages: [&[u8]; 3] = [b"CHSKNQ\r\n", &[23, 3, 3, 0, 20], &[23, 3, 3, 0xff, 0xff]];
        for (number, damage) in damages.into_iter().enumerate() {
            let mut stranger = connect(&server, &listening, &rustls::version::TLS13);
            stranger.write_all(b"good").unwrap();
            let (_, accepted) = listening.session(number);
            eventually("it is read", || {
                accepted.with(|state| state.read_bytes == 4)
            });
            stranger.sock.write_all(damage).unwrap();
            stranger.sock.write_all(&[0; 64]).unwrap();
            eventually("it ends", || accepted.with(|state| state.closed.is_some()));
            let closed = accepted.with(|state| state.closed.clone().unwrap());
            let error = closed.unwrap_err();
            assert_eq!(error.code, Code::Tls);
            assert!(error.message.contains("changed on its way"), "{error}");
            assert_eq!(accepted.with(|state| state.read_bytes), 4);
            // And the stranger is told, by an alert.
            let told = stranger.read(&mut [0; 1]).unwrap_err();
            assert_eq!(told.kind(), ErrorKind::InvalidData, "{told}");
        }
    }
}

#[test]
fn no_changed_byte_does_more_than_end_its_connection() {
    let server = identity("localhost");
    let running = Running::start(io::Kind::Thread);
    let listening = Listening::secured(&running.host, server.server(), Ends::Echo);
    let mut connections = 0;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for flight in 0..3 {
            let mut at = 0;
            loop {
                let mut stranger = connect(&server, &listening, version);
                let is_whole = send_changed(&mut stranger, flight, at);
                stranger.sock.shutdown(Shutdown::Write).unwrap();
                // Whatever the server says.
                let _said = stranger.sock.read_to_end(&mut Vec::new());
                let (_, accepted) = listening.session(connections);
                eventually("it ends", || accepted.with(|state| state.closed.is_some()));
                let closed = accepted.with(|state| state.closed.clone().unwrap());
                let code = closed.unwrap_err().code;
                assert!(
                    matches!(code, Code::Tls | Code::Closed),
                    "{code:?} for byte {at} of flight {flight} of {:?}",
                    version.version
                );
                connections += 1;
                if is_whole {
                    break;
                }
                at += 5;
            }
        }
    }
}

/// Shakes hands, and changes byte `at` of one flight: one of the handshake, or data behind it. True if that has none.
fn send_changed(stranger: &mut Stranger, flight: usize, at: usize) -> bool {
    let Stranger { conn, sock } = stranger;
    for number in 0..4 {
        let mut bytes = Vec::new();
        if !conn.is_handshaking() {
            // Two records, the first of which is good when the second is not.
            for piece in [b"one", b"two"] {
                conn.writer().write_all(piece).unwrap();
            }
        }
        while conn.wants_write() {
            conn.write_tls(&mut bytes).unwrap();
        }
        if number == flight {
            let Some(byte) = bytes.get_mut(at) else {
                return true;
            };
            *byte ^= 1 << (at % 8);
        }
        if sock.write_all(&bytes).is_err() || number == flight {
            return false;
        }
        while conn.is_handshaking() && !conn.wants_write() {
            if !matches!(conn.read_tls(sock), Ok(1..)) || conn.process_new_packets().is_err() {
                return false;
            }
        }
    }
    false
}

#[test]
fn what_cannot_be_used_is_refused_at_once() {
    let (one, two) = (identity("localhost"), identity("localhost"));
    let refused = |pem: &Pem| ServerSecurity::new(pem).err().unwrap();
    let mixed = Pem {
        key: two.pem().key,
        ..one.pem()
    };
    assert_eq!(refused(&mixed).code, Code::Tls);
    assert!(
        refused(&mixed).message.contains("not the key of"),
        "{}",
        refused(&mixed)
    );
    let without_key = Pem {
        key: None,
        ..one.pem()
    };
    assert_eq!(refused(&without_key).code, Code::InvalidArgument);
    for (key, words) in [
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "openssl pkey",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
            "no private key in it",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
            "no private key that can be used",
        ),
        ("-----BEGIN PRIVATE KEY-----\nAA==", "not PEM"),
        ("", "no private key in it"),
    ] {
        let pem = Pem {
            key: Some(key.into()),
            ..one.pem()
        };
        let error = refused(&pem);
        assert_eq!(error.code, Code::Tls, "{key}");
        assert!(error.message.contains(words), "{error}");
    }
    for cert in [
        "",
        "text",
        "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
    ] {
        for pem in [
            Pem {
                cert: Some(cert.into()),
                ..one.pem()
            },
            Pem {
                ca: vec![cert.into()],
                ..one.pem()
            },
        ] {
            assert_eq!(refused(&pem).code, Code::Tls, "{cert}");
        }
    }
    for name in ["", "two words", "a..b", "-"] {
        let pem = Pem {
            ca: one.ca(),
            ..Pem::default()
        };
        let error = ClientSecurity::new(&pem, name, false).err().unwrap();
        assert_eq!(error.code, Code::InvalidArgument, "{name}");
    }
}
