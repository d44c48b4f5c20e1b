//! A client that floods a connection, and notes meanwhile what the server does about it.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use super::peer::{END_STREAM, GOAWAY, PING, PREFACE, RST_STREAM, SETTINGS, frame};

/// One connection of an attacker.
pub struct Attacker {
    writing: OwnedWriteHalf,
    reading: JoinHandle<()>,
    seen: Arc<Mutex<Seen>>,
    news: watch::Receiver<()>,
    sent_settings: usize,
}

/// What the server has sent.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The code of the last GOAWAY, and what it says.
    pub goaway: Option<u32>,
    pub debug: String,
    /// How often streams were reset, by code.
    pub resets: HashMap<u32, usize>,
    /// How many streams the server has ended in order.
    pub ended: usize,
    pub pongs: usize,
    pub settings_acks: usize,
    pub data_bytes: usize,
    pub data_frames: usize,
    /// Whether the connection is closed.
    pub closed: bool,
}

impl Attacker {
    /// Connects, sends the preface and empty SETTINGS.
    pub async fn connect(address: SocketAddr) -> Self {
        let mut attacker = Self::open(address).await;
        let preface = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        assert!(attacker.send(&preface).await);
        attacker.sent_settings = 1;
        attacker
    }

    /// Connects and sends nothing.
    pub async fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let (reading, writing) = socket.into_split();
        let seen = Arc::<Mutex<Seen>>::default();
        let (telling, news) = watch::channel(());
        Self {
            writing,
            reading: tokio::spawn(read(reading, Arc::clone(&seen), telling)),
            seen,
            news,
            sent_settings: 0,
        }
    }

    /// Sends bytes as they are; `false` if the server has closed the connection.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        let written = timeout(PATIENCE, self.writing.write_all(bytes)).await;
        written.expect("the server stopped reading").is_ok()
    }

    /// Sends what `make` makes of 0, 1, 2, …, many in one write, until the server has said GOAWAY or
    /// closed the connection; how many it was.
    pub async fn flood(&mut self, count: u32, mut make: impl FnMut(u32) -> Vec<u8>) -> u32 {
        let mut batch = Vec::new();
        for index in 0..count {
            batch.extend(make(index));
            if batch.len() >= BATCH_BYTES || index + 1 == count {
                let over = self.seen().closed || self.seen().goaway.is_some();
                if over || !self.send(&batch).await {
                    return index;
                }
                batch.clear();
            }
        }
        count
    }

    /// What has come so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until what has come is enough.
    pub async fn until(&mut self, enough: impl Fn(&Seen) -> bool) -> Seen {
        loop {
            let seen = self.seen();
            if enough(&seen) {
                return seen;
            }
            assert!(!seen.closed, "the connection closed first: {seen:?}");
            // It fails when the connection is closed, which is seen above.
            let news = timeout(PATIENCE, self.news.changed()).await;
            let _ = news.unwrap_or_else(|_| panic!("nothing came for long: {seen:?}"));
        }
    }

    /// Waits until the server has closed the connection.
    pub async fn closed(mut self) -> Seen {
        let closed = timeout(PATIENCE, &mut self.reading).await;
        assert!(closed.is_ok(), "still open: {:?}", self.seen());
        self.seen()
    }

    /// Sends SETTINGS, which the server acknowledges.
    pub async fn send_settings(&mut self, entries: &[u8]) {
        self.sent_settings += 1;
        assert!(self.send(&frame(SETTINGS, 0, 0, entries)).await);
    }

    /// Waits until all that was sent has been read: all SETTINGS are acknowledged. (PINGs are counted.)
    pub async fn is_heard(&mut self) {
        self.send_settings(&[]).await;
        let sent = self.sent_settings;
        self.until(|seen| seen.settings_acks >= sent).await;
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(mut socket: OwnedReadHalf, seen: Arc<Mutex<Seen>>, news: watch::Sender<()>) {
    let mut head = [0; 9];
    let mut payload = Vec::new();
    while socket.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        payload.resize(length as usize, 0);
        if socket.read_exact(&mut payload).await.is_err() {
            break;
        }
        note(&mut seen.lock().unwrap(), head[3], head[4], &payload);
        let _ = news.send(());
    }
    seen.lock().unwrap().closed = true;
    let _ = news.send(());
}

fn note(seen: &mut Seen, kind: u8, flags: u8, payload: &[u8]) {
    let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
    let ends = flags & END_STREAM != 0;
    match kind {
        0 => {
            seen.data_frames += 1;
            seen.data_bytes += payload.len();
            seen.ended += usize::from(ends);
        }
        1 => seen.ended += usize::from(ends),
        RST_STREAM => *seen.resets.entry(number(0)).or_default() += 1,
        SETTINGS if ends => seen.settings_acks += 1,
        PING if ends => seen.pongs += 1,
        GOAWAY => {
            seen.goaway = Some(number(4));
            seen.debug = String::from_utf8_lossy(&payload[8..]).into_owned();
        }
        _ => {}
    }
}

const BATCH_BYTES: usize = 16 * 1024;

/// Longer than any server of the tests takes.
const PATIENCE: Duration = Duration::from_secs(20);
