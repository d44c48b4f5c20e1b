//! What the programs that are measured have in common: arguments, the load, what clients print; and in
//! [`service`] what servers answer with.
//!
//! Every client makes getUser calls of proto/user.proto for one user, so many at once, each with the
//! reply checked; it prints one line of JSON.

use std::{
    future::Future,
    process::exit,
    rc::Rc,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

pub mod service;

pub use mimalloc::MiMalloc;

/// What a client is told to do.
pub struct Load {
    /// host:port.
    pub address: String,
    pub connections: usize,
    /// On each connection.
    pub in_flight: usize,
    pub seconds: f64,
}

/// `Value` = "7", and the user that is the answer.
pub const REQUEST: &[u8] = b"\x0a\x017";
pub const REPLY: &[u8] = b"\x0a\x017\x12\x04jack\x1a\x06strong";

impl Load {
    pub fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [address, connections, in_flight, seconds] = arguments.as_slice() else {
            eprintln!("arguments: HOST:PORT CONNECTIONS IN_FLIGHT SECONDS");
            exit(2);
        };
        let number = |text: &str| -> f64 { text.parse().expect("a number") };
        Self {
            address: address.clone(),
            connections: number(connections) as usize,
            in_flight: number(in_flight) as usize,
            seconds: number(seconds),
        }
    }

    /// Runs `call` again and again, `in_flight` at a time on each connection, after half a second of
    /// warming up; prints what came of it. `call` says whether the reply was right.
    pub fn run<Connection, Connect, Connecting, Call, Calling>(self, connect: Connect, call: Call)
    where
        Connection: Clone + 'static,
        Connect: Fn(String) -> Connecting,
        Connecting: Future<Output = Connection>,
        Call: Fn(Connection) -> Calling + 'static,
        Calling: Future<Output = bool> + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&runtime, async {
            let call = Rc::new(call);
            for _ in 0..self.connections {
                let connection = connect(self.address.clone()).await;
                for _ in 0..self.in_flight {
                    let (call, connection) = (Rc::clone(&call), connection.clone());
                    tokio::task::spawn_local(async move {
                        while !STOP.load(Ordering::Relaxed) {
                            let counter = match call(connection.clone()).await {
                                true => &CALLS,
                                false => &ERRORS,
                            };
                            counter.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            let (calls, cpu, started) = (CALLS.load(Ordering::Relaxed), cpu(), Instant::now());
            tokio::time::sleep(Duration::from_secs_f64(self.seconds)).await;
            let calls = CALLS.load(Ordering::Relaxed) - calls;
            let (cpu, seconds) = (self::cpu() - cpu, started.elapsed().as_secs_f64());
            STOP.store(true, Ordering::Relaxed);
            let line = serde_json::json!({
                "calls_per_second": (calls as f64 / seconds).round(),
                "cpu_us_per_call": (cpu * 1e8 / calls.max(1) as f64).round() / 100.0,
                "errors": ERRORS.load(Ordering::Relaxed),
            });
            println!("{line}");
        });
        exit(0);
    }
}

static CALLS: AtomicU64 = AtomicU64::new(0);
static ERRORS: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicBool = AtomicBool::new(false);

/// User and system time of this process, in seconds (proc(5)).
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11..13]
        .iter()
        .map(|field| field.parse::<f64>().expect("ticks"))
        .sum();
    ticks / 100.0
}
