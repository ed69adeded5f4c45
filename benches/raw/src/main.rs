//! Blocking sockets and nothing else, as the limit that everybody is held against: a sender, a receiver, a round trip.
//!
//! `raw receive|send callback|echo SIZE BUFFER WARMUP SECONDS PORT` speaks the endpoint protocol of the benches: JSON lines on
//! stdout, commands on stdin. There are no messages on this wire, only bytes: a message is SIZE of them.

use std::env;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use raw::{Clock, Result, latencies, say, wait_for_end, wait_for_line};

struct Spec {
    role: String,
    mode: String,
    size: usize,
    buffer: usize,
    warmup: Duration,
    seconds: Duration,
    port: u16,
}

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [role, mode, size, buffer, warmup, seconds, port] = args.as_slice() else {
        return Err("usage: raw receive|send callback|echo SIZE BUFFER WARMUP SECONDS PORT".into());
    };
    let spec = Spec {
        role: role.clone(),
        mode: mode.clone(),
        size: size.parse()?,
        buffer: buffer.parse()?,
        warmup: Duration::from_secs_f64(warmup.parse()?),
        seconds: Duration::from_secs_f64(seconds.parse()?),
        port: port.parse()?,
    };
    if spec.role == "receive" {
        receive(&spec)
    } else {
        send(&spec)
    }
}

fn receive(spec: &Spec) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    say(&format!(
        r#"{{"type":"listening","address":{}}}"#,
        listener.local_addr()?.port()
    ));
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    say(r#"{"type":"ready"}"#);
    let mut clock = Clock::new(spec.warmup, spec.seconds);
    let mut buffer = vec![0; spec.buffer];
    let mut bytes = 0_u64;
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        bytes += length as u64;
        if spec.mode == "echo" {
            stream.write_all(&buffer[..length])?;
        }
        clock.tick(bytes / spec.size as u64);
    }
    let count = bytes / spec.size as u64;
    say(&format!(
        r#"{{"type":"result",{},"received":{count},"wrong":0}}"#,
        clock.result()
    ));
    wait_for_end()
}

fn send(spec: &Spec) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", spec.port))?;
    stream.set_nodelay(true)?;
    say(r#"{"type":"ready"}"#);
    wait_for_line()?;
    let mut clock = Clock::new(spec.warmup, spec.seconds);
    let (sent, latencies) = if spec.mode == "echo" {
        ping(spec, &mut stream, &mut clock)?
    } else {
        pour(spec, &mut stream, &mut clock)?
    };
    stream.shutdown(std::net::Shutdown::Write)?;
    say(r#"{"type":"offered"}"#);
    say(&format!(
        r#"{{"type":"sent","sent":{sent},"result":{{{}{latencies}}}}}"#,
        clock.result()
    ));
    wait_for_end()
}

fn pour(spec: &Spec, stream: &mut TcpStream, clock: &mut Clock) -> Result<(u64, String)> {
    // Whole messages only, so that the count is exact.
    let buffer = vec![7; (spec.buffer / spec.size).max(1) * spec.size];
    let mut bytes = 0_u64;
    while !clock.over() {
        for piece in buffer.chunks(spec.buffer) {
            stream.write_all(piece)?;
        }
        bytes += buffer.len() as u64;
        clock.tick(bytes / spec.size as u64);
    }
    Ok((bytes / spec.size as u64, String::new()))
}

fn ping(spec: &Spec, stream: &mut TcpStream, clock: &mut Clock) -> Result<(u64, String)> {
    let mut buffer = vec![7; spec.size];
    let mut nanos = Vec::with_capacity(1 << 20);
    let mut count = 0;
    while !clock.over() {
        let from = Instant::now();
        stream.write_all(&buffer)?;
        stream.read_exact(&mut buffer)?;
        if clock.timed() {
            nanos.push(from.elapsed().as_nanos());
        }
        count += 1;
        clock.tick(count);
    }
    Ok((count, latencies(&mut nanos)))
}
