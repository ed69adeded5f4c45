use std::io::IoSlice;
use std::time::{Duration, Instant};

use queue::Config;
use wire::{Acceptor, Error, Listening, Session, Status, Token, Word, closed_by_owner};

use super::driver::Asked;
use super::node::{Node, ROOT, Root, endpoint, word};
use super::pipe::{Arrived, Pipe};

/// Nodes, the connections between them, and the time.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<Node>,
    ends: Vec<End>,
    give_ups: Vec<(Instant, usize)>,
    /// When servers want to be asked what has to be done.
    asks: Vec<(Instant, usize)>,
    /// A node whose owner does not look although it is woken.
    pub(crate) asleep: Option<usize>,
    /// Sizes of the pieces in which sockets take bytes, in turn; empty: as much as there is room for.
    pub(crate) write_cuts: Vec<usize>,
    next_cut: usize,
}

/// One end of a connection. What it sends is in the other end's `incoming`.
struct End {
    node: Option<usize>,
    token: Token,
    session: Option<Box<dyn Session>>,
    other: usize,
    incoming: Pipe,
    half_closed: bool,
    /// As the system last said; served only when something changed, so that a lost wake-up shows.
    readable: bool,
    writable: bool,
    due: bool,
    arrived: (usize, bool),
    outcome: Option<Result<(), Error>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            now,
            nodes: Vec::new(),
            ends: Vec::new(),
            give_ups: Vec::new(),
            asks: Vec::new(),
            asleep: None,
            write_cuts: Vec::new(),
            next_cut: 0,
        }
    }

    /// A server that listens.
    pub(crate) fn server(&mut self, config: Config) -> usize {
        let mut node = Node::new(config);
        let mut server = node.queue.server();
        server.on_listening(endpoint());
        node.root = Root::Listening(server);
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// A client that dials and is not connected yet.
    pub(crate) fn client(&mut self, config: Config) -> usize {
        let mut node = Node::new(config);
        let client = node.queue.client(ROOT, endpoint(), self.now).unwrap();
        node.root = Root::Dialing(Box::new(client));
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The client's dial succeeds. Returns its end and the server's.
    pub(crate) fn connect(&mut self, client: usize, server: usize) -> (usize, usize) {
        let (near, far) = self.connect_raw_ends();
        self.join_client(client, near);
        self.join_server(server, far);
        (near, far)
    }

    /// A connection to a server from a peer whose bytes the test writes. Returns the test's end and the server's.
    pub(crate) fn connect_to_server(&mut self, server: usize) -> (usize, usize) {
        let (near, far) = self.connect_raw_ends();
        self.join_server(server, far);
        (near, far)
    }

    /// A client's connection to a peer whose bytes the test writes. Returns the client's end and the test's.
    pub(crate) fn connect_client(&mut self, client: usize) -> (usize, usize) {
        let (near, far) = self.connect_raw_ends();
        self.join_client(client, near);
        (near, far)
    }

    fn connect_raw_ends(&mut self) -> (usize, usize) {
        let first = self.ends.len();
        for (number, other) in [(first, first + 1), (first + 1, first)] {
            self.ends.push(End {
                node: None,
                token: 1000 + number,
                session: None,
                other,
                incoming: Pipe::default(),
                half_closed: false,
                readable: true,
                writable: true,
                due: true,
                arrived: (0, false),
                outcome: None,
            });
        }
        (first, first + 1)
    }

    fn join_client(&mut self, client: usize, end: usize) {
        let node = &mut self.nodes[client];
        let Root::Dialing(dialer) = &mut node.root else {
            panic!("not a client, or connected already")
        };
        let session = dialer.on_connected(ROOT, self.now);
        node.root = Root::Gone;
        let end = &mut self.ends[end];
        (end.node, end.token, end.session) = (Some(client), ROOT, Some(session));
    }

    fn join_server(&mut self, server: usize, end: usize) {
        let token = self.ends[end].token;
        let Root::Listening(acceptor) = &mut self.nodes[server].root else {
            panic!("not a server, or closed")
        };
        self.ends[end].session = acceptor.accept(token, self.now);
        self.ends[end].node = Some(server);
        if self.ends[end].session.is_none() {
            self.hang_up(end);
        }
    }

    /// The client's dial fails. The time of its next attempt; `None`: it gave up.
    pub(crate) fn refuse_dial(&mut self, client: usize) -> Option<Instant> {
        let error = Error::new(wire::Code::NotConnected, "refused");
        let Root::Dialing(dialer) = &mut self.nodes[client].root else {
            panic!("not dialing")
        };
        let again = dialer.on_failed(error.clone(), self.now);
        let again =
            again.filter(|again| dialer.deadline().is_none_or(|deadline| *again < deadline));
        if again.is_none() {
            self.end_root(client, error);
        }
        again
    }

    // --- bytes -----------------------------------------------------------------------------------------------------

    /// What is on its way to that end. The other one may have more room afterwards.
    pub(crate) fn incoming(&mut self, end: usize) -> &mut Pipe {
        let other = self.ends[end].other;
        (self.ends[other].writable, self.ends[other].due) = (true, true);
        &mut self.ends[end].incoming
    }

    /// Writes bytes as the peer of the other end would. All of them must fit into the pipe.
    pub(crate) fn send(&mut self, end: usize, bytes: &[u8]) {
        let other = self.ends[end].other;
        let now = self.now;
        assert_eq!(
            self.ends[other].incoming.write(bytes, now),
            bytes.len(),
            "the pipe is full"
        );
    }

    /// Reads what arrived at an end that has no session.
    pub(crate) fn receive(&mut self, end: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while let Arrived::Bytes(bytes) = self.ends[end].incoming.read(usize::MAX, self.now) {
            all.extend(bytes);
        }
        all
    }

    /// Ends the stream that this end sends.
    pub(crate) fn shut_down(&mut self, end: usize) {
        let other = self.ends[end].other;
        let now = self.now;
        self.ends[other].incoming.close(now);
    }

    /// How the connection ended; `None`: it has not.
    pub(crate) fn outcome(&self, end: usize) -> Option<&Result<(), Error>> {
        self.ends[end].outcome.as_ref()
    }

    /// The socket is closed: the other end reads what is under way, then end of file.
    fn hang_up(&mut self, end: usize) {
        self.shut_down(end);
    }

    /// The session's last words, in one attempt.
    fn tell(&mut self, end: usize, error: &Error) {
        let this = &mut self.ends[end];
        if let Some(session) = this.session.as_mut().filter(|_| this.writable) {
            let mut pieces = [IoSlice::new(&[]); 16];
            let used = session.last_words(error, &mut pieces);
            let bytes: Vec<u8> = pieces[..used]
                .iter()
                .flat_map(|piece| piece.iter().copied())
                .collect();
            let other = this.other;
            self.ends[other].incoming.write(&bytes, self.now);
        }
    }

    /// The connection breaks at that end.
    pub(crate) fn break_off(&mut self, end: usize, result: Result<(), Error>) {
        if let Some(mut session) = self.ends[end].session.take() {
            let redial = session.on_closed(result.clone(), self.now);
            self.ends[end].outcome = Some(result);
            self.hang_up(end);
            if let (Some(redial), Some(node)) = (redial, self.ends[end].node) {
                assert_eq!(
                    self.ends[end].token, ROOT,
                    "only what dialed can do so again"
                );
                self.give_ups
                    .extend(redial.dialer.deadline().map(|at| (at, node)));
                self.nodes[node].again_at = Some(redial.at);
                self.nodes[node].root = Root::Dialing(redial.dialer);
            }
        }
    }

    /// The network between two ends is gone, and both systems say so.
    pub(crate) fn cut(&mut self, (one, other): (usize, usize)) {
        for end in [one, other] {
            let broken = Error::new(wire::Code::Closed, "the connection broke");
            self.break_off(end, Err(broken));
        }
        self.settle();
    }

    /// Forgets the connections there were.
    pub(crate) fn forget_connections(&mut self) {
        self.ends.clear();
    }

    // --- time ------------------------------------------------------------------------------------------------------

    /// Runs until nothing happens any more without the clock.
    pub(crate) fn settle(&mut self) {
        for _round in 0..100_000 {
            let mut busy = self.carry_out();
            for end in 0..self.ends.len() {
                self.notice_arrivals(end);
                if std::mem::take(&mut self.ends[end].due) {
                    busy |= self.serve(end);
                }
            }
            for (number, node) in self.nodes.iter_mut().enumerate() {
                busy |= self.asleep != Some(number) && node.look();
            }
            if !busy {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Something that arrived makes an end readable once, as an edge-triggered poll does.
    fn notice_arrivals(&mut self, end: usize) {
        let this = &mut self.ends[end];
        let arrived = this.incoming.arrived(self.now);
        if !this.incoming.stalled && arrived != this.arrived {
            this.arrived = arrived;
            (this.readable, this.due) = (true, true);
        }
    }

    /// Lets time pass; everything that is due happens at its time.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.settle();
        for _round in 0..100_000 {
            let Some(next) = self.next_time().filter(|next| *next <= until) else {
                self.now = until;
                return self.settle();
            };
            self.now = self.now.max(next);
            self.fire();
            self.settle();
        }
        panic!("deadlines without end");
    }

    fn next_time(&self) -> Option<Instant> {
        let of_ends = self
            .ends
            .iter()
            .filter(|end| end.session.is_some())
            .flat_map(|end| {
                let deadline = end.session.as_ref().and_then(|session| session.deadline());
                [deadline, end.incoming.next().filter(|at| *at > self.now)]
            });
        of_ends
            .flatten()
            .chain(self.give_ups.iter().map(|(at, _)| *at))
            .chain(self.asks.iter().map(|(at, _)| *at))
            .min()
    }

    fn fire(&mut self) {
        let now = self.now;
        for end in 0..self.ends.len() {
            let this = &mut self.ends[end];
            let Some(session) = &mut this.session else {
                continue;
            };
            if session.deadline().is_none_or(|deadline| deadline > now) {
                continue;
            }
            // As crate `io` does it.
            let result = session.on_deadline(now);
            if let Err(error) = &result {
                self.tell(end, error);
            }
            let this = &mut self.ends[end];
            let Some(session) = &mut this.session else {
                continue;
            };
            this.due = true;
            let is_over =
                this.half_closed && session.deadline().is_some_and(|deadline| deadline <= now);
            if result.is_err() || is_over {
                self.break_off(end, result);
            }
        }
        let due: Vec<usize> = self
            .give_ups
            .extract_if(.., |(at, _)| *at <= now)
            .map(|(_, node)| node)
            .collect();
        let asked: Vec<usize> = self
            .asks
            .extract_if(.., |(at, _)| *at <= now)
            .map(|(_, node)| node)
            .collect();
        for node in asked {
            self.ask(node);
        }
        for node in due {
            // A dial that has succeeded in between, or has more time.
            let is_over = match &self.nodes[node].root {
                Root::Dialing(dialer) => dialer.deadline().is_none_or(|at| at <= now),
                Root::Listening(_) | Root::Gone => false,
            };
            if !is_over && !self.nodes[node].closing {
                continue;
            }
            self.end_root(
                node,
                Error::new(wire::Code::Timeout, "closed before it could be reached"),
            );
        }
    }

    fn carry_out(&mut self) -> bool {
        let mut busy = false;
        for node in 0..self.nodes.len() {
            for asked in self.nodes[node].driver.take_asked() {
                busy = true;
                match asked {
                    Asked::Nudge(token) => self.nudge(node, token),
                    Asked::Close(token, at) => self.close(node, token, at),
                }
            }
        }
        busy
    }

    fn end_of(&self, node: usize, token: Token) -> Option<usize> {
        self.ends
            .iter()
            .position(|end| end.node == Some(node) && end.token == token && end.session.is_some())
    }

    fn nudge(&mut self, node: usize, token: Token) {
        let now = self.now;
        if let Some(end) = self.end_of(node, token)
            && let Some(session) = &mut self.ends[end].session
        {
            session.on_nudge(now);
            self.ends[end].due = true;
        } else if token == ROOT {
            self.ask(node);
        }
    }

    fn ask(&mut self, node: usize) {
        if let Root::Listening(server) = &mut self.nodes[node].root {
            match server.on_nudge(self.now) {
                Listening::Until(at) => self.asks.extend(at.map(|at| (at, node))),
                Listening::Over => self.end_root(node, closed_by_owner()),
            }
        }
    }

    fn close(&mut self, node: usize, token: Token, at: Option<Instant>) {
        if let Some(end) = self.end_of(node, token) {
            self.tell(end, &closed_by_owner());
            return self.break_off(end, Err(closed_by_owner()));
        }
        if token == ROOT {
            match at.filter(|_| matches!(self.nodes[node].root, Root::Dialing(_))) {
                Some(at) => {
                    self.nodes[node].closing = true;
                    self.give_ups.push((at, node));
                }
                None => self.end_root(node, closed_by_owner()),
            }
        }
    }

    fn end_root(&mut self, node: usize, error: Error) {
        match std::mem::replace(&mut self.nodes[node].root, Root::Gone) {
            Root::Listening(mut server) => server.on_closed(Ok(())),
            Root::Dialing(mut client) => client.on_closed(error),
            Root::Gone => {}
        }
    }

    // --- a connection, as crate `io` serves it -----------------------------------------------------------------------

    fn serve(&mut self, end: usize) -> bool {
        if self.ends[end].session.is_none() {
            return false;
        }
        let wrote = self.write(end);
        let read = self.read(end);
        let wrote = self.write(end) || wrote;
        let this = &mut self.ends[end];
        if let Some(session) = &this.session
            && session.status() == Status::Finished
            && !this.half_closed
        {
            this.half_closed = true;
            self.shut_down(end);
        }
        read || wrote
    }

    fn write(&mut self, end: usize) -> bool {
        let other = self.ends[end].other;
        let mut wrote = false;
        while self.ends[end].writable {
            let cut = if self.write_cuts.is_empty() {
                usize::MAX
            } else {
                self.next_cut += 1;
                self.write_cuts[self.next_cut % self.write_cuts.len()].max(1)
            };
            let Some(session) = &mut self.ends[end].session else {
                return wrote;
            };
            let mut pieces = [IoSlice::new(&[]); 16];
            let used = session.transmit(&mut pieces);
            assert!(
                pieces[..used].iter().all(|piece| !piece.is_empty()),
                "an empty piece"
            );
            let offered: Vec<u8> = pieces[..used]
                .iter()
                .flat_map(|piece| piece.iter().copied())
                .collect();
            if offered.is_empty() {
                return wrote;
            }
            let offered = &offered[..offered.len().min(cut)];
            let taken = self.ends[other].incoming.write(offered, self.now);
            self.ends[end].writable = taken == offered.len();
            if taken == 0 {
                return wrote;
            }
            wrote = true;
            if let Some(session) = &mut self.ends[end].session {
                session.on_sent(taken);
            }
        }
        wrote
    }

    /// Has a session send a message straight from its memory; see [`wire::Session::send_direct`].
    pub(crate) fn send_direct(&mut self, end: usize, payload: &[u8]) -> bool {
        let (now, other) = (self.now, self.ends[end].other);
        let mut session = self.ends[end].session.take().unwrap();
        let mut calls = 0;
        let mut write = |pieces: &[IoSlice<'_>]| {
            calls += 1;
            let offered: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
            let taken = self.ends[other].incoming.write(&offered, now);
            self.ends[end].writable = taken == offered.len();
            taken
        };
        let word = Word::from_bits(word(payload.len())).unwrap();
        let sent = session.send_direct(word, payload, &mut write, now);
        assert!(calls <= 1, "one write and no more");
        self.ends[end].session = Some(session);
        sent
    }

    fn read(&mut self, end: usize) -> bool {
        let now = self.now;
        let mut read = false;
        while self.ends[end].readable {
            let this = &mut self.ends[end];
            let Some(session) = &mut this.session else {
                return read;
            };
            let (_, hung_up) = this.arrived;
            let Some(buffer) = session.read_buffer(hung_up) else {
                break;
            };
            assert!(!buffer.is_empty(), "nowhere to read to");
            let result = match this.incoming.read(buffer.len(), now) {
                Arrived::Nothing => {
                    this.readable = false;
                    session.on_drained(now);
                    return read;
                }
                Arrived::Eof => {
                    let result = session.on_eof(now);
                    self.break_off(end, result);
                    return true;
                }
                Arrived::Bytes(bytes) => {
                    buffer[..bytes.len()].copy_from_slice(&bytes);
                    session.on_read(bytes.len(), now)
                }
            };
            read = true;
            let other = this.other;
            let writer = &mut self.ends[other];
            writer.due |= !std::mem::replace(&mut writer.writable, true);
            if let Err(error) = &result {
                self.tell(end, error);
                self.break_off(end, result);
                return true;
            }
        }
        if read && let Some(session) = &mut self.ends[end].session {
            session.on_drained(now);
        }
        read
    }
}

/// A server and a client that are connected.
pub(crate) struct Pair {
    pub(crate) world: World,
    pub(crate) client_end: usize,
    pub(crate) server_end: usize,
}

/// The server's place in a [`Pair`]'s world, and its number at the client.
pub(crate) const SERVER: usize = 0;
/// The client's place.
pub(crate) const CLIENT: usize = 1;

impl Pair {
    /// Connected, but nothing was said yet.
    pub(crate) fn silent(server: Config, client: Config) -> Self {
        let mut world = World::new();
        let server = world.server(server);
        let client = world.client(client);
        let (client_end, server_end) = world.connect(client, server);
        Self {
            world,
            client_end,
            server_end,
        }
    }

    /// After the handshake.
    pub(crate) fn open(server: Config, client: Config) -> Self {
        let mut pair = Self::silent(server, client);
        pair.world.settle();
        pair
    }

    pub(crate) fn server(&mut self) -> &mut Node {
        &mut self.world.nodes[SERVER]
    }

    pub(crate) fn client(&mut self) -> &mut Node {
        &mut self.world.nodes[CLIENT]
    }

    pub(crate) fn settle(&mut self) {
        self.world.settle();
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.world.pass(time);
    }

    /// Both close in order, the client first; both must end well, and have met no error.
    pub(crate) fn end(self) {
        assert_eq!(self.warnings(), 0);
        self.end_despite_warnings();
    }

    /// How many connections came to nothing.
    fn warnings(&self) -> usize {
        let of = |node: &Node| node.count(|event| matches!(event, queue::Event::Warning(_)));
        self.world.nodes.iter().map(of).sum()
    }

    /// As [`end`](Self::end), but connections may have come to nothing before.
    pub(crate) fn end_despite_warnings(mut self) {
        let deadline = self.world.now + Duration::from_secs(5);
        self.client().queue.close(Some(deadline));
        self.settle();
        self.server().queue.close(Some(deadline));
        self.pass(Duration::from_secs(6));
        assert_eq!(self.world.outcome(self.client_end), Some(&Ok(())));
        assert_eq!(self.world.outcome(self.server_end), Some(&Ok(())));
        for node in self.world.nodes.iter_mut().take(2) {
            let is_warning = |event: &&queue::Event| matches!(event, queue::Event::Warning(_));
            let errors: Vec<_> = node
                .errors()
                .into_iter()
                .filter(|event| !is_warning(event))
                .collect();
            assert_eq!(errors, Vec::<&queue::Event>::new());
            node.assert_ended_well();
        }
    }
}
