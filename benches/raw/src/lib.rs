//! What the raw programs share: the endpoint protocol of the benches (JSON lines on stdout, commands on stdin), the timed window.

use std::fs;
use std::io::{self, BufRead, Read, Write};
use std::time::{Duration, Instant};

/// What can go wrong ends the program.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How long the load goes on after the timed window.
const TAIL: Duration = Duration::from_millis(150);

/// What the runner is told of times in nanoseconds.
pub fn latencies(nanos: &mut [u128]) -> String {
    nanos.sort_unstable();
    let at = |q: f64| {
        nanos
            .get((nanos.len() as f64 * q) as usize)
            .or(nanos.last())
            .map_or(0.0, |&n| n as f64 / 1e3)
    };
    format!(
        r#","latencies":{{"count":{},"p50":{},"p90":{},"p99":{},"p999":{},"max":{}}}"#,
        nanos.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0)
    )
}

/// The timed window: after the warm-up, before the end of the load.
pub struct Clock {
    start: Instant,
    open: Duration,
    shut: Duration,
    from: Option<Mark>,
    to: Option<Mark>,
}

#[derive(Clone, Copy)]
struct Mark {
    at: Duration,
    count: u64,
    cpu: f64,
}

impl Clock {
    pub fn new(warmup: Duration, seconds: Duration) -> Self {
        Self {
            start: Instant::now(),
            open: warmup,
            shut: warmup + seconds,
            from: None,
            to: None,
        }
    }

    pub fn tick(&mut self, count: u64) {
        let at = self.start.elapsed();
        if self.from.is_none() && at >= self.open {
            self.from = Some(Mark {
                at,
                count,
                cpu: cpu(),
            });
        } else if self.to.is_none() && at >= self.shut {
            self.to = Some(Mark {
                at,
                count,
                cpu: cpu(),
            });
        }
    }

    pub fn timed(&self) -> bool {
        self.from.is_some() && self.to.is_none()
    }

    pub fn over(&self) -> bool {
        self.start.elapsed() > self.shut + TAIL
    }

    pub fn result(&self) -> String {
        let (Some(from), Some(to)) = (self.from, self.to) else {
            return r#""seconds":0,"count":0,"cpu":0"#.to_owned();
        };
        format!(
            r#""seconds":{},"count":{},"cpu":{}"#,
            (to.at - from.at).as_secs_f64(),
            to.count - from.count,
            to.cpu - from.cpu
        )
    }
}

/// CPU seconds of this process, which has one thread.
fn cpu() -> f64 {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|ns| ns.parse::<f64>().ok())
        .map_or(0.0, |ns| ns / 1e9)
}

pub fn say(line: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

pub fn wait_for_line() -> Result<()> {
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// The runner ends its children.
pub fn wait_for_end() -> Result<()> {
    io::stdin().lock().read_to_end(&mut Vec::new())?;
    Ok(())
}
