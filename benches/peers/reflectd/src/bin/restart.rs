//! What a caller notices of a restart of the server: 1,000 idempotent calls a second that wait for
//! ready, from before the server is killed until after it is back. A call's time counts from when it
//! was due.
//!
//! Arguments: RESPONDER [ROUNDS]. Prints one line of JSON, medians over the rounds.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use peers::{REPLY, REQUEST};
use reflectd::{
    RawMessage, Schema,
    client::{Channel, Client},
};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let responder = arguments.next().expect("the responder's path");
    let rounds = arguments
        .next()
        .map_or(3, |rounds| rounds.parse().expect("a number"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut measured: Vec<Round> = (0..rounds)
        .map(|_| runtime.block_on(round(&responder)))
        .collect();
    let calls: usize = measured.iter().map(|round| round.times.len()).sum();
    let errors: usize = measured.iter().map(|round| round.errors).sum();
    let mut median = |of: fn(&mut Round) -> f64| {
        let mut values: Vec<f64> = measured.iter_mut().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2].round()
    };
    let line = serde_json::json!({
        "calls": calls,
        "errors": errors,
        "server_away_ms": AWAY.as_millis(),
        "p50_us": median(|round| round.at(0.5).as_secs_f64() * 1e6),
        "p99_ms": median(|round| round.at(0.99).as_secs_f64() * 1e3),
        "max_ms": median(|round| round.at(1.0).as_secs_f64() * 1e3),
    });
    println!("{line}");
}

struct Round {
    times: Vec<Duration>,
    errors: usize,
}

impl Round {
    fn at(&mut self, quantile: f64) -> Duration {
        self.times.sort();
        self.times[((self.times.len() - 1) as f64 * quantile) as usize]
    }
}

/// Six seconds of calls; the server goes after two, and comes back after half a second more.
async fn round(responder: &str) -> Round {
    let (mut server, address) = start(responder, "127.0.0.1:0");
    let client = connect(&address).await;
    let (started, mut calls) = (Instant::now(), tokio::task::JoinSet::new());
    let mut restarted = None;
    for number in 0..CALLS {
        let due = started + PERIOD * number;
        tokio::time::sleep_until(due.into()).await;
        if number == CALLS / 3 {
            server.kill().expect("it runs");
            server.wait().expect("it ends");
            let (responder, address) = (responder.to_owned(), address.clone());
            restarted = Some(tokio::task::spawn_blocking(move || {
                std::thread::sleep(AWAY);
                start(&responder, &address).0
            }));
        }
        let client = client.clone();
        calls.spawn(async move {
            let call = client
                .call(GET_USER)
                .wait_for_ready()
                .timeout(Duration::from_secs(10));
            let reply: Result<RawMessage, _> = call.unary(RawMessage::new(REQUEST)).await;
            (due.elapsed(), reply.is_ok_and(|reply| reply.bytes == REPLY))
        });
    }
    let ended = calls.join_all().await;
    let mut server = restarted
        .expect("it was killed")
        .await
        .expect("it was started");
    server.kill().expect("it runs");
    server.wait().expect("it ends");
    Round {
        errors: ended.iter().filter(|(_, ok)| !ok).count(),
        times: ended.into_iter().map(|(time, _)| time).collect(),
    }
}

fn start(responder: &str, address: &str) -> (Child, String) {
    let mut server = Command::new(responder)
        .arg(address)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the responder starts");
    let stdout = server.stdout.take().expect("it is piped");
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("its address");
    (server, line.trim().to_owned())
}

/// Calls that were under way when the server went may be made again.
async fn connect(address: &str) -> Client {
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../proto");
    let schema = Schema::compile([format!("{proto}/user.proto")], [proto]).expect("the schema");
    let again = r#"{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 5,
        "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]}}]}"#;
    let channel = Channel::builder(&format!("http://{address}")).service_config(again);
    Client::new(channel.connect().await.expect("a connection"), schema)
}

const CALLS: u32 = 6_000;
const PERIOD: Duration = Duration::from_millis(1);
const AWAY: Duration = Duration::from_millis(500);
const GET_USER: &str = "/user.UserInfo/getUser";

#[global_allocator]
static ALLOCATOR: peers::MiMalloc = peers::MiMalloc;
