//! The call itself. All four kinds are streams on the wire, and are made as such here, so that what
//! comes is shown when it comes.

use std::pin::pin;

use http::HeaderMap;
use reflectd::{
    Message, Metadata, Status,
    client::{self, Client, Responses},
    schema::Method,
};
use tokio::{
    select,
    time::{Instant, error::Elapsed, timeout_at},
};

use super::report::Report;
use crate::cli::{failure::Failure, requests::Requests};

pub(super) struct Exchange {
    pub(super) client: Client,
    pub(super) method: Method,
    pub(super) metadata: Metadata,
    /// When `--max-time` is over.
    pub(super) deadline: Option<Instant>,
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
            false => match self.only(&mut requests).await {
                Ok(only) => Some(only?),
                Err(_) => return Ok(End::late()),
            },
        };
        let mut call = self.client.call(self.method.path()).metadata(self.metadata);
        if let Some(deadline) = self.deadline {
            call = call.timeout(deadline.saturating_duration_since(Instant::now()));
        }
        let mut sent = 0;
        let (out, incoming) = match call.bidi::<Message, Message, _, _>().await {
            Ok(halves) => halves,
            Err(status) => {
                let status = Some(status);
                return Ok(End { status, sent });
            }
        };
        let is_last = !self.method.kind().is_server_streaming();
        let status = {
            let mut sending = pin!(send(first, requests, out, &mut sent));
            let mut receiving = pin!(receive(incoming, is_last, report));
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

impl Exchange {
    /// Waits for the only request, which may be typed yet; not beyond the deadline.
    async fn only(&self, requests: &mut Requests) -> Result<Result<Message, Failure>, Elapsed> {
        let only = requests.only(self.method.input());
        match self.deadline {
            Some(deadline) => timeout_at(deadline, only).await,
            None => Ok(only.await),
        }
    }
}

impl End {
    /// There was no request in time, and no call.
    fn late() -> Self {
        let status = Status::deadline_exceeded("the time was over before there was a request");
        Self {
            status: Some(status),
            sent: 0,
        }
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
    is_last: bool,
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
    loop {
        match incoming.message().await {
            Ok(Some(reply)) => report.reply(&reply, is_last)?,
            Ok(None) => break,
            Err(status) => return failed(status, report),
        }
    }
    report.trailers(incoming.trailers())?;
    Ok(None)
}

fn failed(status: Status, report: &mut Report<'_>) -> Result<Option<Status>, Failure> {
    report.trailers(status.metadata())?;
    Ok(Some(status))
}
