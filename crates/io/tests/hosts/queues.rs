//! Communicators over real sockets: what the fake clock and the pipes in memory cannot show.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use io::Kind;
use queue::{Config, Event};
use wire::{Code, Endpoint};

use crate::support::{Owner, PATIENCE, Running, eventually, socket_path};

fn config(id: u8) -> Config {
    Config::new([id; 16])
}

fn local() -> Endpoint {
    Endpoint::Tcp("127.0.0.1".into(), 0)
}

fn introduced(owner: &Owner) -> bool {
    owner
        .events
        .iter()
        .any(|event| matches!(event, Event::Peer(..)))
}

#[test]
fn a_conversation_from_hello_to_goodbye() {
    for server_host in Running::each() {
        for client_host in Running::each() {
            let (mut server, at) = Owner::server(&server_host.host, config(1), local());
            let mut client = Owner::client(&client_host.host, config(2), at);
            client.put(0, b"early");
            client.until("it is introduced", introduced);
            server.until("the message comes", |server| {
                server.received == [(0, b"early".to_vec())]
            });
            for size in [0, 1, 65_516, 65_517, 1_000_000] {
                server.put(0, &vec![size as u8; size]);
            }
            client.until("all come", |client| client.received.len() == 5);
            for ((_, payload), size) in client
                .received
                .iter()
                .zip([0, 1, 65_516, 65_517, 1_000_000])
            {
                assert!(*payload == vec![size as u8; size]);
            }
            eventually("all are acknowledged", || server.acknowledged(0) == 5);
            client.leave(&mut server);
            server.until("the client is gone", |server| {
                server.events.contains(&Event::Gone(0))
            });
            server.close();
            assert_eq!((server.errors(), client.errors()), (vec![], vec![]));
            client.received.clear();
            server.assert_no_memory();
            client.assert_no_memory();
        }
    }
}

#[test]
fn many_small_messages_in_both_directions_through_narrow_budgets() {
    const MESSAGES: usize = 20_000;
    let narrow = |id| Config {
        high_water_bytes: 5000,
        high_water_messages: 100,
        ..config(id)
    };
    for running in Running::each() {
        let (mut server, at) = Owner::server(&running.host, narrow(1), local());
        let mut client = Owner::client(&running.host, narrow(2), at);
        client.until("it is introduced", introduced);
        server.until("it is introduced", introduced);
        server.keeps = false;
        client.keeps = false;
        // Each side on a thread of its own: it puts some, takes what is there, and sleeps only when it is woken later.
        let run = |mut owner: Owner| {
            move || {
                let mut put = 0;
                while put < MESSAGES
                    || owner.count < MESSAGES
                    || owner.acknowledged(0) < MESSAGES as u64
                {
                    for _ in 0..50.min(MESSAGES - put) {
                        owner.put(0, &(put as u32).to_le_bytes());
                        put += 1;
                    }
                    let woken =
                        owner.look(Duration::from_millis(if put < MESSAGES { 0 } else { 50 }));
                    let _again = woken;
                }
                owner
            }
        };
        let threads = [
            std::thread::spawn(run(server)),
            std::thread::spawn(run(client)),
        ];
        let start = std::time::Instant::now();
        eventually("both have everything", || {
            assert!(
                start.elapsed() < Duration::from_secs(18),
                "a wake-up was lost"
            );
            threads.iter().all(std::thread::JoinHandle::is_finished)
        });
        let mut owners = threads.into_iter().map(|thread| thread.join().unwrap());
        let (mut server, mut client) = (owners.next().unwrap(), owners.next().unwrap());
        client.leave(&mut server);
        server.until("the client is gone", |server| {
            server.events.contains(&Event::Gone(0))
        });
        server.close();
        assert_eq!((server.errors(), client.errors()), (vec![], vec![]));
        assert_eq!((server.count, client.count), (MESSAGES, MESSAGES));
    }
}

#[test]
fn an_owner_that_looks_late_at_many_small_frames_gets_them_all() {
    const MESSAGES: usize = 30_000;
    for running in Running::each() {
        let (mut server, at) = Owner::server(&running.host, config(1), local());
        let mut client = Owner::client(&running.host, config(2), at);
        client.until("it is introduced", introduced);
        server.keeps = false;
        for _ in 0..MESSAGES {
            client.put(0, b"x");
        }
        server.until("they come", |server| server.count == MESSAGES);
        client.leave(&mut server);
        server.close();
        assert_eq!((server.errors(), client.errors()), (vec![], vec![]));
    }
}

#[test]
fn many_clients_of_one_server() {
    for running in Running::each() {
        let (mut server, at) = Owner::server(&running.host, config(1), local());
        let mut clients: Vec<Owner> = (2..42)
            .map(|id| Owner::client(&running.host, config(id), at.clone()))
            .collect();
        for client in &mut clients {
            for number in 0..50_u32 {
                client.put(0, &number.to_le_bytes());
            }
        }
        server.until("all messages come", |server| server.count == 40 * 50);
        for peer in 0..40 {
            let of_peer = server
                .received
                .iter()
                .filter(|(number, _)| *number == peer)
                .map(|(_, payload)| payload);
            assert!(
                of_peer.eq((0..50_u32)
                    .map(|number| number.to_le_bytes().to_vec())
                    .collect::<Vec<_>>()
                    .iter())
            );
        }
        server
            .queue
            .close(Some(std::time::Instant::now() + Duration::from_secs(10)));
        for client in &mut clients {
            client.until("the server takes leave", Owner::is_closed);
            assert_eq!(client.errors(), Vec::<&Event>::new());
        }
        server.until("it closes", Owner::is_closed);
        assert_eq!(server.errors(), Vec::<&Event>::new());
    }
}

#[test]
fn a_client_waits_for_its_server_and_gives_up_in_time() {
    for (number, running) in Running::each().iter().enumerate() {
        let at = Endpoint::Unix(socket_path(&format!("queue-{number}")));
        let mut client = Owner::client(&running.host, config(2), at.clone());
        client.put(0, b"early");
        std::thread::sleep(Duration::from_millis(50));
        let (mut server, _) = Owner::server(&running.host, config(1), at);
        server.until("the message comes", |server| server.count == 1);
        client.leave(&mut server);
        server.close();

        let patience = Some(Duration::from_millis(150));
        let nowhere = Endpoint::Unix(socket_path("queue-nowhere"));
        let mut client = Owner::client(
            &running.host,
            Config {
                connect_timeout: patience,
                ..config(2)
            },
            nowhere,
        );
        client.until("it gives up", Owner::is_closed);
        assert!(
            matches!(client.errors()[..], [Event::Failed(error)] if error.code == Code::NotConnected)
        );
    }
}

#[test]
fn a_refused_client_hears_why_over_a_real_socket() {
    for running in Running::each() {
        let (mut server, at) = Owner::server(
            &running.host,
            Config {
                cluster: "blue".into(),
                ..config(1)
            },
            local(),
        );
        for id in 2..12 {
            let mut client = Owner::client(&running.host, config(id), at.clone());
            // It may be refused already.
            let _refused = client.try_put(0, &vec![0; 100_000]);
            client.until("it fails", Owner::is_closed);
            assert!(
                matches!(client.errors()[..], [Event::Failed(error)] if error.code == Code::Auth)
            );
        }
        server.until("it is warned", |server| server.errors().len() == 10);
        server.close();
    }
}

#[test]
fn a_client_hears_over_a_real_socket_why_it_was_given_up() {
    for running in Running::each() {
        let narrow = Config {
            max_message: 1000,
            ..config(1)
        };
        let (mut server, at) = Owner::server(&running.host, narrow, local());
        for id in 2..12 {
            let mut client = Owner::client(&running.host, config(id), at.clone());
            // Before the server's limit is known; much may be under way when the server hangs up.
            client.put(0, &[1; 2000]);
            let _lost = client.try_put(0, &[2; 900_000]);
            client.until("it is lost", Owner::is_closed);
            let [Event::Lost(0, Some(error))] = client.errors()[..] else {
                panic!("{:?}", client.events)
            };
            assert_eq!(error.code, Code::TooLarge);
            assert!(error.message.contains("2000 bytes"), "{error}");
        }
        server.until("it has lost them", |server| server.errors().len() == 10);
        server.close();
    }
}

#[test]
fn connections_without_traffic_hold_no_memory() {
    for running in Running::each() {
        let (mut server, at) = Owner::server(&running.host, config(1), local());
        let mut client = Owner::client(&running.host, config(2), at);
        client.until("it is introduced", introduced);
        server.until("it is introduced", introduced);
        for round in 1..=200 {
            client.put(0, b"there");
            server.until("it comes", |server| server.count == round);
            server.put(0, b"back");
            client.until("it comes", |client| client.count == round);
        }
        eventually("the last is acknowledged", || server.acknowledged(0) == 200);
        // What each side sends from stays warm; nobody keeps a slab to read into.
        for owner in [&server, &client] {
            eventually("one slab is left", || owner.queue.stats().memory.0 <= 1);
        }
        client.leave(&mut server);
        server.close();
    }
}

#[test]
fn a_stopped_host_ends_its_communicators() {
    for kind in [Kind::Thread, Kind::Loop] {
        let running = Running::start(kind);
        let (mut server, at) = Owner::server(&running.host, config(1), local());
        let mut client = Owner::client(&running.host, config(2), at);
        client.until("it is introduced", introduced);
        server.until("it is introduced", introduced);
        running.host.stop();
        client.until("it ends", Owner::is_closed);
        // A server waits for its owner to say so.
        server.queue.close(None);
        server.until("it ends", Owner::is_closed);
    }
}

#[test]
fn signs_of_life_go_on_while_both_are_silent() {
    let lively = |id| Config {
        keep_alive: Some(Duration::from_millis(40)),
        idle_timeout: Some(Duration::from_millis(2000)),
        ..config(id)
    };
    for running in Running::each() {
        let (mut server, at) = Owner::server(&running.host, lively(1), local());
        let mut client = Owner::client(&running.host, lively(2), at);
        client.until("it is introduced", introduced);
        server.until("it is introduced", introduced);
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(2500) {
            client.look(Duration::from_millis(20));
            server.look(Duration::from_millis(1));
        }
        assert_eq!((server.errors(), client.errors()), (vec![], vec![]));
        client.leave(&mut server);
        server.close();
    }
}

#[test]
fn connections_that_say_nothing_keep_no_client_out_over_real_sockets() {
    for running in Running::each() {
        let few = Config {
            max_peers: 1,
            ..config(1)
        };
        let (mut server, at) = Owner::server(&running.host, few, local());
        let Endpoint::Tcp(_, port) = at else {
            panic!("not TCP")
        };
        // More than may be shaking hands: the oldest are hung up on for the others.
        let mut silent: Vec<TcpStream> = (0..100)
            .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
            .collect();
        for stream in &mut silent[..36] {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        }
        let mut client = Owner::client(&running.host, config(2), at.clone());
        client.until("it is introduced", introduced);
        let mut other = Owner::client(&running.host, config(3), at.clone());
        other.until("it is refused", Owner::is_closed);
        assert!(
            matches!(other.errors()[..], [Event::Failed(error)] if error.code == Code::QueueFull)
        );
        client.leave(&mut server);
        server.queue.close(None);
        server.until("it ends", Owner::is_closed);
    }
}
