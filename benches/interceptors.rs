//! What interceptors, the access log and spans add to a call that succeeds.
//!
//! `cargo bench --bench interceptors` prints the time of a call with each, client included. What they
//! cost is a thousandth of that and drowns in it, so it is counted in instructions:
//! `valgrind --tool=callgrind target/release/deps/interceptors-… errors 500` and the same with 2500;
//! the difference of the two by the calls between them is the cost of one call, as a whole or, by the
//! source files that callgrind names, that of `access_log.rs` or `call_span.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it prints, and may panic"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    env,
    hint::black_box,
    time::{Duration, Instant},
};

use reflectd::{AccessLog, Call, CallEnd, RawMessage, Schema, Server, ServerBuilder};
use support::{Client, TestServer};
use tokio::runtime::{Builder, Runtime};

const GREET: &str = "/greeter.Greeter/Greet";
const WITH: &[&str] = &["nothing", "errors", "all", "before", "awaited", "after"];
const ROUNDS: usize = 15;
const CALLS: usize = 2000;

fn main() {
    let typed: Vec<String> = env::args()
        .skip(1)
        .filter(|typed| typed != "--bench")
        .collect();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    if let [with, calls] = &typed[..] {
        let (_server, client) = runtime.block_on(start(with));
        run(&runtime, &client, calls.parse().unwrap());
        return;
    }
    let clients: Vec<(TestServer, Client)> = WITH
        .iter()
        .map(|with| runtime.block_on(start(with)))
        .collect();
    let mut best = vec![Duration::MAX; WITH.len()];
    // In turns, so that what else the machine does hits all of them.
    for _ in 0..ROUNDS {
        for ((_, client), best) in clients.iter().zip(&mut best) {
            *best = run(&runtime, client, CALLS).min(*best);
        }
    }
    for (with, best) in WITH.iter().zip(best) {
        println!("{with:8} {:?} a call", best / CALLS as u32);
    }
}

async fn start(with: &str) -> (TestServer, Client) {
    let schema = Schema::compile(["proto/greeter.proto"], ["proto"]).unwrap();
    let builder = Server::builder(schema).unary_sync(GREET, |request: RawMessage| Ok(request));
    let server = TestServer::start(add(builder, with)).await;
    let client = server.client().await;
    (server, client)
}

fn add(builder: ServerBuilder, with: &str) -> ServerBuilder {
    match with {
        "nothing" => builder,
        // No subscriber listens, as in a program that has none for this target.
        "errors" => builder.access_log(AccessLog::Errors),
        "all" => builder.access_log(AccessLog::All),
        "before" => builder.before(|call: &Call| {
            black_box(call);
            Ok(())
        }),
        "awaited" => builder.before(async |call: Call| {
            black_box(call);
            Ok(())
        }),
        "after" => builder.after(|end: &CallEnd<'_>| {
            black_box(end);
        }),
        _ => panic!("one of {WITH:?}"),
    }
}

fn run(runtime: &Runtime, client: &Client, calls: usize) -> Duration {
    runtime.block_on(async {
        let started = Instant::now();
        for _ in 0..calls {
            black_box(client.unary(GREET, "hi").await);
        }
        started.elapsed()
    })
}
