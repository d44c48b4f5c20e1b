//! What wakes a connection, on a pipe whose length is known.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter, DuplexStream, duplex};

use super::*;
use crate::{
    rpc::{Budget, Interceptors, Limits, Page, Pages},
    transport::{ConnectionLimits, shutdown::ShutdownTrigger},
};

/// It takes all that a connection has when it reads no more.
const PIPE_BYTES: usize = 2 * limits::OUTPUT_BYTES_MAX;

/// Less than an answer.
const PIPE_BYTES_FEW: usize = 100;

/// The client's end of a connection to a server without methods, which answers what is not gRPC.
fn connect(pipe_bytes: usize) -> DuplexStream {
    let (client, server) = duplex(pipe_bytes);
    spawn(server);
    client
}

fn spawn(server: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    let router = Router::new(
        Vec::new(),
        None,
        Interceptors::default(),
        Limits::default(),
        Pages::new(|_| {
            let text = "a page".into();
            let http_status = 200;
            Some(Page { http_status, text })
        }),
    );
    let service = Service {
        router: Arc::new(router),
        connection_limits: Arc::new(ConnectionLimits::default()),
        budget: Budget::new(limits::IN_FLIGHT_BYTES),
        hints: Arc::default(),
        #[cfg(feature = "tls")]
        tls: None,
        load: None,
    };
    tokio::spawn(async move {
        let mut trigger = ShutdownTrigger::default();
        serve(server, &service, Peer::default(), trigger.hear()).await;
    });
}

/// A call of a method that is not there, with a path whose name is three times as long in the answer.
fn call(stream: u32) -> Vec<u8> {
    let path = format!("/{}/", "é".repeat(100));
    let mut block = vec![0x83, 0x86, 0x04, 0x7f, 203 - 1 - 127];
    block.extend(path.as_bytes());
    block.extend([0x0f, 0x10, 16]);
    block.extend(b"application/grpc");
    frame(1, 5, stream, &block)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// How many streams have ended by what was received.
fn ended(mut received: &[u8]) -> usize {
    let mut ended = 0;
    while let Some((head, rest)) = received.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some(rest) = rest.get(length..) else {
            break;
        };
        ended += usize::from(head[3] == 1 && head[4] & 1 == 1);
        received = rest;
    }
    ended
}

// The clock stands still, and is put on when no task can do anything.
#[tokio::test(start_paused = true)]
async fn a_client_that_reads_late_is_read_again() {
    const CALLS: u32 = 4000;
    let (mut reading, mut writing) = tokio::io::split(connect(PIPE_BYTES));
    let sent = tokio::spawn(async move {
        let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        sent.extend(frame(4, 0, 0, &[]));
        // A request that does not end: without one, idleness would set the timer.
        sent.extend(frame(1, 4, 1, &[0x82, 0x84, 0x86]));
        sent.extend((1..=CALLS).flat_map(|index| call(2 * index + 1)));
        writing.write_all(&sent).await.unwrap();
    });
    let answered = async {
        let (mut received, mut buffer) = (Vec::new(), vec![0; 2 * PIPE_BYTES]);
        while ended(&received) < CALLS as usize {
            // Until the server can do nothing more; then all at once.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let count = reading.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the connection was closed");
            received.extend_from_slice(&buffer[..count]);
        }
    };
    // The first timer, that of the handshake, would wake it after ten.
    let answered = timeout(Duration::from_secs(5), answered).await;
    assert!(answered.is_ok(), "the connection sleeps");
    sent.await.unwrap();
}

/// Makes a call and closes the client's side; the answer is longer than the pipe.
async fn is_answered_whole(mut client: DuplexStream) {
    let sent = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &frame(4, 0, 0, &[])[..],
        &call(1),
    ];
    client.write_all(&sent.concat()).await.unwrap();
    client.shutdown().await.unwrap();
    // Until the server can do nothing more.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    assert_eq!(ended(&received), 1, "{received:?}");
    // The GOAWAY is the last, and whole.
    let goaway = frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
    assert!(received.ends_with(&goaway), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_pipe_has_no_room_for_follows_when_the_client_has_closed_its_side() {
    is_answered_whole(connect(PIPE_BYTES_FEW)).await;
}

/// TLS takes more than the socket has room for, and the socket is closed when the connection is over.
#[tokio::test(start_paused = true)]
async fn what_a_writer_holds_back_is_waited_for() {
    let (client, server) = duplex(PIPE_BYTES_FEW);
    spawn(BufWriter::new(server));
    is_answered_whole(client).await;
}
