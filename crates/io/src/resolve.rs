use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::thread;

use wire::{Endpoint, Error};

use crate::failure::cannot_resolve;
use crate::socket::Place;

/// The places of an endpoint if no name has to be looked up.
pub(crate) fn immediately(endpoint: &Endpoint) -> Option<Vec<Place>> {
    match endpoint {
        Endpoint::Unix(path) => Some(vec![Place::Unix(path.clone())]),
        Endpoint::Tcp(host, port) => {
            let ip: IpAddr = host.parse().ok()?;
            Some(vec![Place::Tcp(SocketAddr::new(ip, *port))])
        }
    }
}

/// Looks the name up on a short-lived thread (the system's resolver blocks, and a reactor may not).
///
/// # Errors
/// If the system has no thread left; then `done` is not called.
pub(crate) fn in_background(
    endpoint: Endpoint,
    done: impl FnOnce(Result<Vec<Place>, Error>) + Send + 'static,
) -> Result<(), Error> {
    let host = endpoint.to_string();
    thread::Builder::new()
        .name("chaski-resolve".into())
        .spawn(move || done(look_up(&endpoint)))
        .map(drop)
        .map_err(|error| cannot_resolve(&host, &error))
}

fn look_up(endpoint: &Endpoint) -> Result<Vec<Place>, Error> {
    let Endpoint::Tcp(host, port) = endpoint else {
        return Ok(immediately(endpoint).unwrap_or_default());
    };
    let failed = |why| cannot_resolve(host, &why);
    let found: Vec<_> = (host.as_str(), *port)
        .to_socket_addrs()
        .map_err(failed)?
        .map(Place::Tcp)
        .collect();
    if found.is_empty() {
        Err(failed(io::Error::other("it has no address")))
    } else {
        Ok(found)
    }
}
