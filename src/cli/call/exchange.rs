//! The call itself. All four kinds are streams on the wire, and are made as such here, so that what
//! comes is shown when it comes.

use std::{pin::pin, time::Duration};

use http::HeaderMap;
use reflectd::{
    Message, Metadata, Status,
    client::{self, Client, Responses},
    schema::Method,
};
use tokio::select;

use super::report::Report;
use crate::cli::{failure::Failure, requests::Requests};

pub(super) struct Exchange {
    pub(super) client: Client,
    pub(super) method: Method,
    pub(super) metadata: Metadata,
    pub(super) timeout: Option<Duration>,
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) status: Option<Status>,
    pub(super) sent: usize,
}

impl Exchange {
    /// Makes the call, and reports what comes.
    ///
    /// # Errors
    /// A request that is none, output that cannot be written. A status is no error here.
    pub(super) async fn run(
        self,
        mut requests: Requests,
        report: &mut Report<'_>,
    ) -> Result<End, Failure> {
        // What is wrong with the only request is told before there is a call.
        let first = match self.method.kind().is_client_streaming() {
            true => None,
            false => Some(requests.only(self.method.input()).await?),
        };
        let mut call = self.client.call(self.method.path()).metadata(self.metadata);
        if let Some(timeout) = self.timeout {
            call = call.timeout(timeout);
        }
        let mut sent = 0;
        let (out, incoming) = match call.bidi::<Message, Message, _, _>().await {
            Ok(halves) => halves,
            Err(status) => {
                let status = Some(status);
                return Ok(End { status, sent });
            }
        };
        let single = !self.method.kind().is_server_streaming();
        let status = {
            let mut sending = pin!(send(first, requests, out, &mut sent));
            let mut receiving = pin!(receive(incoming, single, report));
            let mut all_sent = false;
            loop {
                select! {
                    biased;
                    ended = &mut receiving => break ended?,
                    done = &mut sending, if !all_sent => {
                        done?;
                        all_sent = true;
                    }
                }
            }
        };
        Ok(End { status, sent })
    }
}

/// Sends what there is to send, as it comes.
async fn send(
    first: Option<Message>,
    mut requests: Requests,
    mut out: client::Requests<Message>,
    sent: &mut usize,
) -> Result<(), Failure> {
    if let Some(only) = first {
        // That the call has ended, and how, its replies tell.
        *sent += usize::from(out.send(only).await.is_ok());
        out.close();
        return Ok(());
    }
    while let Some(request) = requests.next().await? {
        if out.send(request).await.is_err() {
            break;
        }
        *sent += 1;
    }
    out.close();
    Ok(())
}

/// Reports what comes until the call's end; its status, if that is not OK.
async fn receive(
    mut incoming: Responses<Message>,
    single: bool,
    report: &mut Report<'_>,
) -> Result<Option<Status>, Failure> {
    let headers = match incoming.metadata().await {
        Ok(metadata) => metadata.clone(),
        Err(status) => {
            report.headers(&Metadata::new(), &HeaderMap::new())?;
            return failed(status, report);
        }
    };
    report.headers(&headers, incoming.headers())?;
    let mut replies = 0;
    loop {
        match incoming.message().await {
            Ok(Some(_)) if single && replies > 0 => {
                return Ok(Some(cardinality("more than one reply")));
            }
            Ok(Some(reply)) => report.reply(&reply)?,
            Ok(None) => break,
            Err(status) => return failed(status, report),
        }
        replies += 1;
    }
    report.trailers(incoming.trailers())?;
    Ok((single && replies == 0).then(|| cardinality("no reply")))
}

fn failed(status: Status, report: &mut Report<'_>) -> Result<Option<Status>, Failure> {
    report.trailers(status.metadata())?;
    Ok(Some(status))
}

/// One reply belongs to a call that is not server-streaming (grpc/grpc, doc/statuscodes.md: INTERNAL,
/// "Response cardinality violation").
fn cardinality(what: &str) -> Status {
    Status::internal(format!("the server sent {what}, where there is one"))
}
