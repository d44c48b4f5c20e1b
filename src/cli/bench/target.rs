//! One call of a run.

use std::time::Duration;

use bytes::Bytes;
use reflectd::{
    Metadata, RawMessage, Schema, Status,
    client::{self, Client, Responses},
    schema::{Method, MethodKind},
};

/// What is called, and with what.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) schema: Schema,
    pub(super) method: Method,
    pub(super) metadata: Metadata,
    pub(super) timeout: Option<Duration>,
    /// Encoded; there is one at least.
    pub(super) requests: Vec<Bytes>,
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// `None`: OK.
    pub(super) status: Option<Status>,
    pub(super) sent: u64,
    pub(super) received: u64,
}

impl Target {
    /// Makes a call. A stream is one call: it sends all requests it may, and ends with the server's
    /// status.
    pub(super) async fn call(&self, client: &Client, number: u64) -> Ended {
        match self.method.kind() {
            MethodKind::Unary => self.unary(client, number).await,
            _ => self.stream(client, number).await,
        }
    }

    async fn unary(&self, client: &Client, number: u64) -> Ended {
        let request = self.request(number);
        let reply: Result<RawMessage, Status> = self.prepared(client).unary(request).await;
        Ended {
            sent: 1,
            received: u64::from(reply.is_ok()),
            status: reply.err(),
        }
    }

    async fn stream(&self, client: &Client, number: u64) -> Ended {
        let mut ended = Ended {
            status: None,
            sent: 0,
            received: 0,
        };
        let opened = self.prepared(client).bidi::<RawMessage, RawMessage, _, _>();
        let (requests, responses) = match opened.await {
            Ok(halves) => halves,
            Err(status) => {
                ended.status = Some(status);
                return ended;
            }
        };
        let sending = self.send(requests, number, &mut ended.sent);
        let receiving = receive(responses, &mut ended.received);
        ended.status = both(sending, receiving).await.err();
        ended
    }

    /// Sends all requests, or the one that a server-streaming method takes.
    async fn send(&self, mut out: client::Requests<RawMessage>, number: u64, sent: &mut u64) {
        if self.method.kind().is_client_streaming() {
            for request in &self.requests {
                if out.send(RawMessage::new(request.clone())).await.is_err() {
                    break;
                }
                *sent += 1;
            }
        } else if out.send(self.request(number)).await.is_ok() {
            *sent += 1;
        }
        out.close();
    }

    /// Requests are taken in turn.
    fn request(&self, number: u64) -> RawMessage {
        let requests = &self.requests;
        RawMessage::new(requests[(number % requests.len() as u64) as usize].clone())
    }

    fn prepared<'a>(&'a self, client: &'a Client) -> client::Call<'a> {
        let mut call = client.call(self.method.path());
        if !self.metadata.is_empty() {
            call = call.metadata(self.metadata.clone());
        }
        match self.timeout {
            Some(timeout) => call.timeout(timeout),
            None => call,
        }
    }
}

async fn receive(mut replies: Responses<RawMessage>, received: &mut u64) -> Result<(), Status> {
    while replies.message().await?.is_some() {
        *received += 1;
    }
    Ok(())
}

/// Sends while it receives, until the call has ended.
async fn both(
    sending: impl Future<Output = ()>,
    receiving: impl Future<Output = Result<(), Status>>,
) -> Result<(), Status> {
    let (mut sending, mut receiving) = (std::pin::pin!(sending), std::pin::pin!(receiving));
    tokio::select! {
        biased;
        ended = &mut receiving => return ended,
        () = &mut sending => {}
    }
    receiving.await
}
