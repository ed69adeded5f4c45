use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use wire::{Acceptor, Dialer, Endpoint, Token, Word};

use crate::host::{Host, HostStats};
use crate::listener::Serving;
use crate::slots::host_of;
use crate::tls::ClientSecurity;

/// Hosts that share the connections of their listeners: each connection that comes in is run by the host that has the fewest.
/// Listeners and dials are the first host's. Cheap to clone.
#[derive(Clone)]
pub struct Crew {
    hosts: Arc<[Host]>,
    /// Who is asked first, so that those who have the same load take turns.
    turn: Arc<AtomicUsize>,
}

impl Crew {
    /// A crew of one.
    #[must_use]
    pub fn of(host: Host) -> Self {
        Self::new(vec![host])
    }

    /// Starts a crew of `size` threads; see [`Host::start`].
    ///
    /// # Errors
    /// What the system says if it has no descriptors or threads left.
    pub fn start(
        size: usize,
        on_defect: impl Fn(&Host) + Clone + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let crew = Self::new(Vec::new());
        crew.grown(size, on_defect)
    }

    /// This crew with as many threads more as it takes to be `size`; its hosts are the same ones.
    ///
    /// # Errors
    /// What the system says if it has no descriptors or threads left. This crew is as it was then.
    pub fn grown(
        &self,
        size: usize,
        on_defect: impl Fn(&Host) + Clone + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let mut hosts = self.hosts.to_vec();
        for number in hosts.len()..size {
            match Host::start_numbered(number, on_defect.clone()) {
                Ok(host) => hosts.push(host),
                Err(error) => {
                    hosts.iter().skip(self.hosts.len()).for_each(Host::stop);
                    return Err(error);
                }
            }
        }
        Ok(Self::new(hosts))
    }

    /// The first `size` hosts of it.
    #[must_use]
    pub fn first(&self, size: usize) -> Self {
        Self::new(self.hosts.iter().take(size).cloned().collect())
    }

    fn new(hosts: Vec<Host>) -> Self {
        Self {
            hosts: hosts.into(),
            turn: Arc::default(),
        }
    }

    /// How many hosts it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.hosts.len()
    }

    /// See [`Host::listen`].
    pub fn listen(
        &self,
        endpoint: Endpoint,
        serving: Serving,
        acceptor: Box<dyn Acceptor>,
    ) -> Token {
        self.chief().listen_for(endpoint, serving, acceptor, self)
    }

    /// See [`Host::reserve`].
    #[must_use]
    pub fn reserve(&self) -> Token {
        self.chief().reserve()
    }

    /// See [`Host::dial`].
    pub fn dial(
        &self,
        token: Token,
        endpoint: Endpoint,
        security: Option<ClientSecurity>,
        dialer: Box<dyn Dialer>,
    ) {
        self.chief().dial(token, endpoint, security, dialer);
    }

    /// See [`wire::Driver::nudge`].
    pub fn nudge(&self, token: Token, inline: bool) {
        self.of_token(token).nudge(token, inline);
    }

    /// See [`wire::Driver::send_direct`].
    #[must_use]
    pub fn send_direct(&self, token: Token, word: Word, payload: &[u8]) -> bool {
        self.of_token(token).send_direct(token, word, payload)
    }

    /// See [`wire::Driver::close`].
    pub fn close(&self, token: Token, at: Option<Instant>) {
        self.of_token(token).close(token, at);
    }

    /// True once after the reactor of one of them has panicked; see [`Host::take_defect`].
    #[must_use]
    pub fn take_defect(&self) -> bool {
        // All of them, so that none is left for the next call.
        self.hosts.iter().filter(|host| host.take_defect()).count() > 0
    }

    /// What its hosts have been doing, together.
    #[must_use]
    pub fn stats(&self) -> HostStats {
        let all = self.hosts.iter().map(Host::stats);
        all.fold(HostStats::default(), |sum, stats| HostStats {
            turns: sum.turns + stats.turns,
            stalls: sum.stalls + stats.stalls,
            loans: sum.loans + stats.loans,
        })
    }

    /// Stops all of its hosts; see [`Host::stop`].
    pub fn stop(&self) {
        self.hosts.iter().for_each(Host::stop);
    }

    /// The number of the host that is to run the next connection, and what that adds to its load.
    pub(crate) fn next(&self) -> (usize, Load) {
        let size = self.hosts.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let numbers = (0..size).map(|step| turn.wrapping_add(step) % size);
        let least = numbers.min_by_key(|&number| self.host(number).load());
        let number = least.unwrap_or(0);
        (number, self.host(number).add_load())
    }

    /// The host with that number.
    pub(crate) fn host(&self, number: usize) -> &Host {
        self.hosts.get(number).unwrap_or_else(|| self.chief())
    }

    fn of_token(&self, token: Token) -> &Host {
        self.host(host_of(token))
    }

    fn chief(&self) -> &Host {
        self.hosts.first().expect("a crew that is used has hosts")
    }
}

/// A connection as part of its host's load, from the moment at which that is chosen.
pub(crate) struct Load(Arc<AtomicUsize>);

impl Load {
    pub(crate) fn add_to(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connections))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
