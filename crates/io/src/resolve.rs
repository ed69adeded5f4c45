use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::thread;

use wire::{Code, Endpoint, Error};

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
    let failed = format!("'{endpoint}' cannot be resolved: no thread");
    thread::Builder::new()
        .name("chaski-resolve".into())
        .spawn(move || done(look_up(&endpoint)))
        .map(drop)
        .map_err(|error| Error::new(Code::Address, format!("{failed}: {error}")))
}

fn look_up(endpoint: &Endpoint) -> Result<Vec<Place>, Error> {
    let Endpoint::Tcp(host, port) = endpoint else {
        return Ok(immediately(endpoint).unwrap_or_default());
    };
    let failed = |why: &dyn std::fmt::Display| {
        Error::new(
            Code::Address,
            format!("the host name '{host}' cannot be resolved: {why}"),
        )
    };
    let found: Vec<_> = (host.as_str(), *port)
        .to_socket_addrs()
        .map_err(|error| failed(&error))?
        .map(Place::Tcp)
        .collect();
    if found.is_empty() {
        Err(failed(&"it has no address"))
    } else {
        Ok(found)
    }
}
