//! Calls by method path, with messages of any type that fits.

use std::{sync::Arc, time::Duration};

use http::uri::PathAndQuery;
use tokio::time::Instant;

use super::{
    Channel, Requests, Responses,
    attempt::Head,
    receiving::cardinality,
    streaming::{self, Decode, Encode},
    unary::{self, Reply},
};
use crate::{
    grpc::{MessageEncoding, Metadata, RawMessage, Status},
    limits,
    rpc::{FromMessage, IntoMessage, Response},
    schema::{Method, Schema},
};

/// Makes calls of the methods of a schema. Cloning is cheap, and every clone shares the channel.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    schema: Schema,
}

/// A call that is not made yet.
#[derive(Debug)]
#[must_use = "the call is made by unary(), server_streaming(), client_streaming() or bidi()"]
pub struct Call<'a> {
    client: &'a Client,
    path: &'a str,
    /// Boxed, because most calls have none, and are moved about.
    metadata: Option<Box<Metadata>>,
    timeout: Option<Duration>,
    encoding: Option<MessageEncoding>,
    wait_for_ready: Option<bool>,
    receive_bytes_max: Option<usize>,
}

/// A client-streaming call: requests are sent, then the reply is waited for.
#[derive(Debug)]
pub struct ClientStreaming<I, O> {
    // It is dropped first: a call that is given up must not look like one whose requests are whole.
    responses: Responses<O>,
    requests: Requests<I>,
}

/// One request and its reply.
struct Exchange<'a> {
    channel: &'a Channel,
    method: &'a Method,
    head: Head,
    request: RawMessage,
}

impl Client {
    /// A client for the methods of a schema.
    pub fn new(channel: Channel, schema: Schema) -> Self {
        Self { channel, schema }
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// A call of the method with a path, `/package.Service/Method`, whose options can be set before
    /// it is made.
    pub fn call<'a>(&'a self, path: &'a str) -> Call<'a> {
        Call {
            client: self,
            path,
            metadata: None,
            timeout: None,
            encoding: None,
            wait_for_ready: None,
            receive_bytes_max: None,
        }
    }

    /// Makes a unary call without options.
    ///
    /// # Errors
    /// The status that the call ended with.
    pub async fn unary<I, O, ViaI, ViaO>(&self, path: &str, request: I) -> Result<O, Status>
    where
        I: IntoMessage<ViaI>,
        O: FromMessage<ViaO>,
    {
        self.call(path).unary(request).await
    }
}

impl<'a> Call<'a> {
    /// Adds metadata.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata.get_or_insert_default().extend(metadata);
        self
    }

    /// How long the call may take, retries included; the server is told.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Compresses the requests.
    pub fn compress(mut self, encoding: MessageEncoding) -> Self {
        self.encoding = Some(encoding);
        self
    }

    /// Longest message received, in bytes, in place of the channel's.
    pub fn receive_bytes_max(mut self, bytes: usize) -> Self {
        self.receive_bytes_max = Some(bytes);
        self
    }

    /// Waits for a connection as long as it takes, or as the timeout lets it, where a call would else
    /// fail because none can be made.
    pub fn wait_for_ready(mut self) -> Self {
        self.wait_for_ready = Some(true);
        self
    }

    /// Makes a unary call. Its time runs from here.
    ///
    /// # Errors
    /// The status that the call ended with.
    pub fn unary<I, O, ViaI, ViaO>(
        self,
        request: I,
    ) -> impl Future<Output = Result<O, Status>> + Send
    where
        I: IntoMessage<ViaI>,
        O: FromMessage<ViaO>,
    {
        // What the call was made of is not carried along while it is waited for.
        let exchange = self.exchange(request, false);
        async move {
            let exchange = exchange.as_ref().map_err(Status::clone)?;
            let reply = exchange.run().await?;
            exchange.read(reply.message)
        }
    }

    /// Makes a unary call, for whoever wants the reply's metadata, too.
    ///
    /// # Errors
    /// The status that the call ended with.
    pub fn unary_response<I, O, ViaI, ViaO>(
        self,
        request: I,
    ) -> impl Future<Output = Result<Response<O>, Status>> + Send
    where
        I: IntoMessage<ViaI>,
        O: FromMessage<ViaO>,
    {
        let exchange = self.exchange(request, true);
        async move {
            let exchange = exchange.as_ref().map_err(Status::clone)?;
            let reply = exchange.run().await?;
            reply
                .into_response()
                .try_map(|message| exchange.read(message))
        }
    }

    /// Makes a server-streaming call.
    ///
    /// # Errors
    /// If no connection can be had; all else the replies tell.
    pub async fn server_streaming<I, O, ViaI, ViaO>(
        self,
        request: I,
    ) -> Result<Responses<O>, Status>
    where
        I: IntoMessage<ViaI>,
        O: FromMessage<ViaO>,
    {
        let (mut requests, responses) = self.bidi().await?;
        // That a call has ended already, its replies tell better.
        let _ = requests.send(request).await;
        requests.close();
        Ok(responses)
    }

    /// Makes a client-streaming call.
    ///
    /// # Errors
    /// If no connection can be had; all else [`ClientStreaming::reply`] tells.
    pub async fn client_streaming<I, O, ViaI, ViaO>(self) -> Result<ClientStreaming<I, O>, Status>
    where
        I: IntoMessage<ViaI>,
        O: FromMessage<ViaO>,
    {
        let (requests, responses) = self.bidi().await?;
        Ok(ClientStreaming {
            requests,
            responses,
        })
    }

    /// Makes a bidirectional call. Methods of the other kinds can be called so, too: that there is one
    /// reply, where there must be one, is seen to.
    ///
    /// # Errors
    /// If no connection can be had; all else the replies tell.
    pub async fn bidi<I, O, ViaI, ViaO>(self) -> Result<(Requests<I>, Responses<O>), Status>
    where
        I: IntoMessage<ViaI>,
        O: FromMessage<ViaO>,
    {
        let method = self.method()?;
        let channel = self.client.channel.clone();
        let head = self.head(method, true)?;
        let (input, output) = (method.input().clone(), method.output().clone());
        let (encoding, bytes_max) = (head.encoding, head.send_bytes_max);
        let encode: Encode<I> =
            Arc::new(move |request: I| compress(request.into_raw(&input)?, encoding, bytes_max));
        let decode_bytes_max = decode_bytes_max(&head);
        let decode: Decode<O> =
            Arc::new(move |reply| O::from_raw(&output, reply, decode_bytes_max));
        streaming::open(channel, head, encode, decode).await
    }

    /// All that one request and its reply need.
    fn exchange<I, ViaI>(self, request: I, keeps_metadata: bool) -> Result<Exchange<'a>, Status>
    where
        I: IntoMessage<ViaI>,
    {
        let method = self.method()?;
        let channel = &self.client.channel;
        let request = request.into_raw(method.input())?;
        let head = self.head(method, keeps_metadata)?;
        let request = compress(request, head.encoding, head.send_bytes_max)?;
        Ok(Exchange {
            channel,
            method,
            head,
            request,
        })
    }

    fn method(&self) -> Result<&'a Method, Status> {
        self.client.schema.method(self.path).ok_or_else(|| {
            Status::unimplemented(format!(
                "the client's schema has no method with the path {:?}",
                self.path
            ))
        })
    }

    fn head(self, method: &Method, keeps_metadata: bool) -> Result<Head, Status> {
        let options = &self.client.channel.inner.options;
        let config = options.service_config.method(self.path);
        let mut metadata = self.metadata;
        for interceptor in &options.interceptors {
            interceptor(self.path, metadata.get_or_insert_default())?;
        }
        // "the minimum of the value specified here and the value set by the application".
        let configured = config.and_then(|config| config.timeout);
        let timeout = self.timeout.or(options.timeout);
        let timeout = timeout.into_iter().chain(configured).min();
        let receive_bytes_max = self.receive_bytes_max.unwrap_or(options.receive_bytes_max);
        Ok(Head {
            path: path(method)?,
            metadata,
            timeout,
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            encoding: self.encoding.unwrap_or(options.encoding),
            wait_for_ready: self
                .wait_for_ready
                .or_else(|| config.and_then(|config| config.wait_for_ready))
                .unwrap_or_default(),
            send_bytes_max: config
                .and_then(|config| config.request_bytes_max)
                .unwrap_or(options.send_bytes_max)
                .min(options.send_bytes_max),
            receive_bytes_max: config
                .and_then(|config| config.response_bytes_max)
                .unwrap_or(receive_bytes_max)
                .min(receive_bytes_max),
            single_reply: !method.kind().is_server_streaming(),
            keeps_metadata,
        })
    }
}

impl Exchange<'_> {
    async fn run(&self) -> Result<Reply, Status> {
        unary::unary(self.channel, &self.head, &self.request).await
    }

    fn read<O: FromMessage<Via>, Via>(&self, reply: RawMessage) -> Result<O, Status> {
        O::from_raw(self.method.output(), reply, decode_bytes_max(&self.head))
    }
}

impl<I, O> ClientStreaming<I, O> {
    /// Sends a request when the server has room for it.
    ///
    /// # Errors
    /// INTERNAL if the value does not fit the method's type. CANCELLED if the call has ended: why,
    /// [`reply`](Self::reply) tells.
    pub async fn send(&mut self, request: I) -> Result<(), Status> {
        self.requests.send(request).await
    }

    /// Tells the server that there are no more requests, and waits for its reply.
    ///
    /// # Errors
    /// The status that the call ended with.
    pub async fn reply(self) -> Result<O, Status> {
        self.response().await.map(Response::into_message)
    }

    /// The same, for whoever wants the reply's metadata, too.
    ///
    /// # Errors
    /// The status that the call ended with.
    pub async fn response(self) -> Result<Response<O>, Status> {
        let mut responses = self.responses;
        self.requests.close();
        let received = receive(&mut responses).await;
        let (metadata, trailers) = responses.into_metadata();
        match received {
            Ok(reply) => Ok(Response::from_parts(reply, metadata, trailers)),
            Err(status) => Err(status.with_initial_metadata(metadata)),
        }
    }
}

async fn receive<O>(responses: &mut Responses<O>) -> Result<O, Status> {
    let reply = responses.message().await?;
    // That it is the only one is known at the end.
    responses.message().await?;
    reply.ok_or_else(|| cardinality("none"))
}

fn path(method: &Method) -> Result<PathAndQuery, Status> {
    let path = method.http_path().cloned();
    path.ok_or_else(|| Status::internal(format!("{:?} is no path", method.path())))
}

/// What a decoded reply may take in memory.
fn decode_bytes_max(head: &Head) -> usize {
    let factor = limits::MESSAGE_DECODE_FACTOR;
    head.receive_bytes_max.saturating_mul(factor)
}

fn compress(
    request: RawMessage,
    encoding: MessageEncoding,
    bytes_max: usize,
) -> Result<RawMessage, Status> {
    if request.bytes.len() > bytes_max {
        return Err(Status::resource_exhausted(format!(
            "the request has {} bytes; at most {bytes_max} are sent",
            request.bytes.len()
        )));
    }
    match request.compressed {
        // A raw message that says it is compressed already.
        true => Ok(request),
        false => encoding.compress(request.bytes),
    }
}
