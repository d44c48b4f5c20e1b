//! A client under load while its connections are cut, stalled and half closed, and its servers
//! restarted. `tests/suites/run chaos` lets it go on for a minute.

mod support;

#[path = "support/proxy.rs"]
mod proxy;

use std::{
    collections::HashMap,
    env,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use proxy::Proxy;
use reflectd::{
    Code, Replies, Schema, Server, Status, Streaming,
    client::{Backoff, Balance, Channel, ChannelBuilder, Client, Responses},
};
use serde::{Deserialize, Serialize};
use support::{TestServer, soon};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

const PROTO: &str = r#"
syntax = "proto3";
package chaos;
service Chaos {
  // Must not be done twice.
  rpc Once(Id) returns (Id);
  // May be.
  rpc Again(Id) returns (Id);
  rpc Upload(stream Id) returns (Id);
  rpc Download(Id) returns (stream Id);
}
message Id { uint64 value = 1; }
"#;

/// Once has no policy; Again may be made anew.
const CONFIG: &str = r#"{"methodConfig": [{
    "name": [{"service": "chaos.Chaos", "method": "Again"}],
    "waitForReady": true,
    "retryPolicy": {
        "maxAttempts": 5, "initialBackoff": "0.02s", "maxBackoff": "0.1s", "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
    }
}]}"#;

const ONCE: &str = "/chaos.Chaos/Once";
const AGAIN: &str = "/chaos.Chaos/Again";
const UPLOAD: &str = "/chaos.Chaos/Upload";
const DOWNLOAD: &str = "/chaos.Chaos/Download";

/// How many messages a stream has.
const MESSAGES: u64 = 3;

const TIMEOUT: Duration = Duration::from_secs(1);

/// What a busy machine may be late by.
const LENIENCE: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Id {
    value: u64,
}

/// How often each call was executed, by its number.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<HashMap<u64, u32>>>);

impl Ledger {
    fn note(&self, id: Id) {
        *self.0.lock().unwrap().entry(id.value).or_default() += 1;
    }

    fn count(&self, id: Id) -> u32 {
        self.0.lock().unwrap().get(&id.value).copied().unwrap_or(0)
    }
}

fn schema() -> Schema {
    support::schema(&[("chaos.proto", PROTO)])
}

async fn server(ledger: &Ledger) -> TestServer {
    let (once, again, upload) = (ledger.clone(), ledger.clone(), ledger.clone());
    let builder = Server::builder(schema())
        .drain_timeout(Duration::from_millis(500))
        .unary(ONCE, move |id: Id| {
            once.note(id);
            async move {
                sleep(Duration::from_millis(id.value % 5)).await;
                Ok(id)
            }
        })
        .unary(AGAIN, move |id: Id| {
            again.note(id);
            async move {
                sleep(Duration::from_millis(id.value % 5)).await;
                Ok(id)
            }
        })
        .client_streaming(UPLOAD, move |mut ids: Streaming<Id>| {
            let upload = upload.clone();
            async move {
                let mut received = Vec::new();
                while let Some(id) = ids.message().await? {
                    received.push(id);
                }
                // A part must not be taken for the whole; the client fails the test for UNKNOWN.
                assert_eq!(received.len() as u64, MESSAGES);
                upload.note(received[0]);
                Ok(received[0])
            }
        })
        .server_streaming(DOWNLOAD, async |id: Id, mut replies: Replies<Id>| {
            for part in 0..MESSAGES {
                sleep(Duration::from_millis(id.value % 3)).await;
                replies.send(Id { value: part }).await?;
            }
            Ok(())
        });
    TestServer::start(builder).await
}

fn client(channel: ChannelBuilder) -> Client {
    let mut backoff = Backoff::default();
    (backoff.base, backoff.max) = (Duration::from_millis(50), Duration::from_millis(200));
    let channel = channel.backoff(backoff).service_config(CONFIG);
    Client::new(channel.lazy().unwrap(), schema())
}

/// Makes call number `id`, of a kind that follows from it.
async fn call(client: &Client, id: Id) -> Result<(), Status> {
    match id.value % 4 {
        0 => expect(id, client.call(ONCE).timeout(TIMEOUT).unary(id).await?),
        1 => expect(id, client.call(AGAIN).timeout(TIMEOUT).unary(id).await?),
        2 => {
            let call = client.call(UPLOAD).timeout(TIMEOUT);
            let mut upload = call.client_streaming::<Id, Id, _, _>().await?;
            for _ in 0..MESSAGES {
                // Why it fails, the reply tells.
                if upload.send(id).await.is_err() {
                    break;
                }
            }
            expect(id, upload.reply().await?);
        }
        _ => {
            let call = client.call(DOWNLOAD).timeout(TIMEOUT);
            let mut replies: Responses<Id> = call.server_streaming(id).await?;
            let mut parts = Vec::new();
            while let Some(part) = replies.message().await? {
                parts.push(part.value);
            }
            assert_eq!(parts, Vec::from_iter(0..MESSAGES), "OK, and not whole");
        }
    }
    Ok(())
}

fn expect(id: Id, reply: Id) {
    assert_eq!(reply, id, "the answer to another call");
}

/// How the calls have ended.
#[derive(Default)]
struct Tally {
    ended: AtomicU64,
    failed: AtomicU64,
}

/// Makes calls from several tasks until it is told to stop; checks each.
fn load(
    client: &Client,
    ledger: &Ledger,
    tally: &Arc<Tally>,
    stop: &Arc<AtomicBool>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let numbers = Arc::new(AtomicU64::new(0));
    for _ in 0..20 {
        let (client, ledger) = (client.clone(), ledger.clone());
        let (tally, stop, numbers) = (Arc::clone(tally), Arc::clone(stop), Arc::clone(&numbers));
        tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let value = numbers.fetch_add(1, Ordering::Relaxed);
                let id = Id { value };
                let started = Instant::now();
                let ended = call(&client, id).await;
                let took = started.elapsed();
                assert!(took < TIMEOUT + LENIENCE, "{id:?} took {took:?}: {ended:?}");
                check(&ledger, id, &ended);
                tally.ended.fetch_add(1, Ordering::Relaxed);
                if let Err(status) = ended {
                    tally.failed.fetch_add(1, Ordering::Relaxed);
                    let code = status.code();
                    let known = [Code::Unavailable, Code::DeadlineExceeded];
                    assert!(known.contains(&code), "{id:?} ended with {status}");
                    // Who is told at once does not ask again at once.
                    sleep(Duration::from_millis(10)).await;
                }
            }
        });
    }
    tasks
}

fn check(ledger: &Ledger, id: Id, ended: &Result<(), Status>) {
    let (count, kind) = (ledger.count(id), id.value % 4);
    if kind == 0 || kind == 2 {
        assert!(count <= 1, "{id:?} was done {count} times: {ended:?}");
    }
    if kind != 3 && ended.is_ok() {
        assert!(count > 0, "{id:?} ended well, and was never done");
    }
}

/// Numbers that look like chance; the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_connections_calls_end_in_time_and_are_done_once() {
    let seconds = env::var("REFLECTD_CHAOS_SECONDS").map_or(4, |text| text.parse().unwrap());
    let ledger = Ledger::default();
    let mut running = server(&ledger).await;
    let proxy = Proxy::to(running.address()).await;
    let client = client(Channel::builder(&proxy.url()));
    let (tally, stop) = (Arc::<Tally>::default(), Arc::<AtomicBool>::default());
    let calls = load(&client, &ledger, &tally, &stop);
    let seed = env::var("REFLECTD_CHAOS_SEED").map_or_else(
        |_| RandomState::new().hash_one(0) | 1,
        |text| text.parse().unwrap(),
    );
    println!("REFLECTD_CHAOS_SEED={seed}");
    let mut dice = Dice(seed);
    let (mut strikes, mut slowest) = (0, Duration::ZERO);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end && !calls.is_empty() {
        sleep(Duration::from_millis(50 + dice.roll(150))).await;
        let strike = dice.roll(6);
        match strike {
            0 | 1 => proxy.cut(),
            2 => proxy.half_close_to_client(),
            3 => proxy.half_close_to_server(),
            4 => {
                proxy.stall(true);
                sleep(Duration::from_millis(100 + dice.roll(1500))).await;
                proxy.stall(false);
            }
            _ => {
                running.stop().await;
                sleep(Duration::from_millis(dice.roll(300))).await;
                running = server(&ledger).await;
                proxy.lead_to(running.address());
            }
        }
        strikes += 1;
        // The way is free again: the channel finds it within one backoff.
        let started = Instant::now();
        let probe = client.call(AGAIN).timeout(Duration::from_secs(20));
        let id = Id { value: u64::MAX };
        let back: Result<Id, Status> = soon("the channel", probe.unary(id)).await;
        let took = started.elapsed();
        back.unwrap_or_else(|status| panic!("after strike {strike}: {status}"));
        assert!(
            took < BACKOFF_MAX + LENIENCE,
            "back after {took:?}, strike {strike}"
        );
        slowest = slowest.max(took);
    }
    stop.store(true, Ordering::Relaxed);
    // A task that has failed panics here.
    calls.join_all().await;
    let (ended, failed) = (
        tally.ended.load(Ordering::Relaxed),
        tally.failed.load(Ordering::Relaxed),
    );
    println!(
        "{strikes} strikes; {ended} calls, {failed} failed; back after {slowest:?} at the latest"
    );
    assert!(
        ended - failed > 100 * seconds,
        "only {ended} calls, {failed} failed"
    );
    for (value, count) in ledger.0.lock().unwrap().iter() {
        assert!(
            *count == 1 || value % 4 == 1 || *value == u64::MAX,
            "{value}: {count} times"
        );
    }
}

/// The longest wait between attempts, its jitter included.
const BACKOFF_MAX: Duration = Duration::from_millis(240);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_no_call() {
    let ledger = Ledger::default();
    let mut running = Vec::new();
    for _ in 0..3 {
        let server = server(&ledger).await;
        let proxy = Proxy::to(server.address()).await;
        running.push((server, proxy));
    }
    let channel = Channel::builder(&running[0].1.url())
        .endpoint(&running[1].1.url())
        .endpoint(&running[2].1.url())
        .balance(Balance::RoundRobin);
    let client = client(channel);
    let (tally, stop) = (Arc::<Tally>::default(), Arc::<AtomicBool>::default());
    let calls = load(&client, &ledger, &tally, &stop);
    for round in 0..2 {
        for (number, (old, proxy)) in std::mem::take(&mut running).into_iter().enumerate() {
            old.stop().await;
            sleep(Duration::from_millis(100)).await;
            let new = server(&ledger).await;
            proxy.lead_to(new.address());
            let before = tally.ended.load(Ordering::Relaxed);
            soon("calls that go on", async {
                while tally.ended.load(Ordering::Relaxed) < before + 50 {
                    sleep(Duration::from_millis(5)).await;
                }
            })
            .await;
            let failed = tally.failed.load(Ordering::Relaxed);
            assert_eq!(failed, 0, "round {round}, server {number}");
            running.push((new, proxy));
        }
    }
    stop.store(true, Ordering::Relaxed);
    calls.join_all().await;
    assert_eq!(tally.failed.load(Ordering::Relaxed), 0);
}
