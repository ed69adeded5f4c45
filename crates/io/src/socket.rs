use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::{Interest, Registry};
use wire::Endpoint;

use crate::tls::{ClientSecurity, Secured, ServerSecurity, TlsStream};

#[cfg(unix)]
use crate::socket_file::{self, SocketFile};
#[cfg(unix)]
use crate::sys;

/// A place to connect to or listen at, with its name resolved.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    #[cfg_attr(
        not(unix),
        expect(dead_code, reason = "there are no UNIX sockets on this system")
    )]
    Unix(String),
}

/// A connected (or connecting) non-blocking stream.
pub(crate) enum Stream {
    Tcp(mio::net::TcpStream),
    #[cfg(unix)]
    Unix(mio::net::UnixStream),
    /// One of the others, with TLS over it.
    Tls(Box<TlsStream>),
}

/// A non-blocking listener.
pub(crate) enum Listener {
    Tcp(mio::net::TcpListener),
    #[cfg(unix)]
    Unix(SocketFile),
}

impl Stream {
    /// Starts to connect.
    pub(crate) fn connect(place: &Place) -> io::Result<Self> {
        match place {
            Place::Tcp(address) => Ok(Self::Tcp(mio::net::TcpStream::connect(*address)?)),
            #[cfg(unix)]
            Place::Unix(path) => socket_file::connect(path).map(Self::Unix),
            #[cfg(not(unix))]
            Place::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// After the socket became writable: whether it is connected. `Ok(false)`: not yet.
    pub(crate) fn finish_connect(&self) -> io::Result<bool> {
        let not_yet = |error: &io::Error| {
            error.kind() == io::ErrorKind::NotConnected || error.raw_os_error() == in_progress()
        };
        match self {
            Self::Tcp(stream) => {
                if let Some(error) = stream.take_error()? {
                    return Err(error);
                }
                match stream.peer_addr() {
                    Ok(_) => prepare(stream).map(|()| true),
                    Err(error) if not_yet(&error) => Ok(false),
                    Err(error) => Err(error),
                }
            }
            #[cfg(unix)]
            Self::Unix(stream) => match stream.take_error()? {
                Some(error) => Err(error),
                None => Ok(true),
            },
            Self::Tls(stream) => stream.socket().finish_connect(),
        }
    }

    /// The same connection with TLS over it, for the side that connected.
    pub(crate) fn secured_by_client(self, security: &ClientSecurity) -> io::Result<Self> {
        TlsStream::client(self, security).map(|stream| Self::Tls(Box::new(stream)))
    }

    /// The same for the side that accepted.
    pub(crate) fn secured_by_server(self, security: &ServerSecurity) -> io::Result<Self> {
        TlsStream::server(self, security).map(|stream| Self::Tls(Box::new(stream)))
    }

    /// Has the system keep little of what is on its way to a process of this machine; nothing changes for a secured socket, for which
    /// no gain was seen.
    pub(crate) fn bound_send_buffer(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(stream) = self
            && stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback())
        {
            // Where it cannot be done, large messages are slower.
            let _slower = sys::bound_send_buffer(stream);
        }
    }

    /// Whether data can be written: there is no handshake to be done first.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.is_open(),
            _ => true,
        }
    }

    /// Once, when the connection has become a secured one.
    pub(crate) fn take_secured(&mut self) -> Option<Secured> {
        match self {
            Self::Tls(stream) => stream.take_secured(),
            _ => None,
        }
    }

    /// Writes what the stream itself has to say or has kept.
    ///
    /// # Errors
    /// `WouldBlock` if the socket does not take all of it now.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.flush(),
            _ => Ok(()),
        }
    }

    /// After a write that took `taken` of `offered` bytes: whether the socket may take more. If not, that is a new event.
    pub(crate) fn has_room(&self, taken: usize, offered: usize) -> bool {
        match self {
            Self::Tls(stream) => !stream.is_backed_up(),
            // A short write filled the socket.
            _ => taken == offered,
        }
    }

    /// After a short read: whether there is something to read all the same.
    pub(crate) fn has_more(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.has_more(),
            _ => false,
        }
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    pub(crate) fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self, pieces) {
            // send(2) is cheaper than sendmsg(2).
            (Self::Tcp(stream), [piece]) => stream.write(piece),
            (Self::Tcp(stream), _) => stream.write_vectored(pieces),
            #[cfg(unix)]
            (Self::Unix(stream), [piece]) => stream.write(piece),
            #[cfg(unix)]
            (Self::Unix(stream), _) => stream.write_vectored(pieces),
            (Self::Tls(stream), _) => stream.write(pieces),
        }
    }

    /// Closes the write side; false: not yet, because something has to be written before and the socket is full.
    pub(crate) fn shutdown_write(&mut self) -> bool {
        // A connection that is gone already needs no shutdown.
        let _gone = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            Self::Tls(stream) => return stream.shutdown_write(),
        };
        true
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            #[cfg(unix)]
            Self::Unix(stream) => stream,
            Self::Tls(stream) => stream.socket_mut().source(),
        }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        registry.register(
            self.source(),
            mio::Token(token),
            Interest::READABLE | Interest::WRITABLE,
        )
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) {
        // Closing the socket removes it as well.
        let _closed_anyway = registry.deregister(self.source());
    }
}

fn bind(address: SocketAddr) -> io::Result<mio::net::TcpListener> {
    let listener = mio::net::TcpListener::bind(address)?;
    #[cfg(unix)]
    sys::listen(&listener)?;
    Ok(listener)
}

#[cfg(target_os = "linux")]
fn bind_reusing_port(address: SocketAddr) -> io::Result<mio::net::TcpListener> {
    sys::listen_reusing_port(address).map(mio::net::TcpListener::from_std)
}

/// Other systems do not deal the connections out, or give all to the one that came last.
#[cfg(not(target_os = "linux"))]
fn bind_reusing_port(_address: SocketAddr) -> io::Result<mio::net::TcpListener> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sets what every TCP connection needs.
fn prepare(stream: &mio::net::TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // A system that cannot do it loses a silent peer later.
    #[cfg(unix)]
    let _later = sys::keep_alive(stream);
    Ok(())
}

#[cfg(unix)]
fn in_progress() -> Option<i32> {
    Some(libc::EINPROGRESS)
}

#[cfg(not(unix))]
fn in_progress() -> Option<i32> {
    None
}

impl Listener {
    /// `reuse_port`: others may listen there too, if they say so.
    pub(crate) fn bind(place: &Place, reuse_port: bool) -> io::Result<Self> {
        match place {
            Place::Tcp(address) if reuse_port => bind_reusing_port(*address).map(Self::Tcp),
            Place::Tcp(address) => bind(*address).map(Self::Tcp),
            #[cfg(unix)]
            Place::Unix(path) => SocketFile::bind(path).map(Self::Unix),
            #[cfg(not(unix))]
            Place::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Where it listens, with the port that the system chose.
    pub(crate) fn endpoint(&self) -> io::Result<Endpoint> {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map(|at| Endpoint::Tcp(at.ip().to_string(), at.port())),
            #[cfg(unix)]
            Self::Unix(file) => Ok(Endpoint::Unix(file.path.clone())),
        }
    }

    pub(crate) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                prepare(&stream)?;
                Ok(Stream::Tcp(stream))
            }
            #[cfg(unix)]
            Self::Unix(file) => Ok(Stream::Unix(file.listener.accept()?.0)),
        }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => {
                registry.register(listener, mio::Token(token), Interest::READABLE)
            }
            #[cfg(unix)]
            Self::Unix(file) => {
                registry.register(&mut file.listener, mio::Token(token), Interest::READABLE)
            }
        }
    }

    /// Stops listening; a UNIX socket's file goes too.
    pub(crate) fn close(self) {
        #[cfg(unix)]
        if let Self::Unix(file) = self {
            file.close();
        }
    }
}
