//! How a channel is set up.

use std::{fmt, ops::RangeInclusive, sync::Arc, time::Duration};

#[cfg(feature = "tls")]
use super::tls::{ClientTls, ClientTlsSession};
use http::{HeaderMap, HeaderValue, uri::Authority};

use super::{
    Backoff, Channel, attempt, channel::Balance, connector::Tcp, endpoint::Endpoint,
    outlier::Ejection, service_config::ServiceConfig,
};
use crate::{Error, MessageEncoding, Metadata, Status, limits};

/// A channel that is not made yet.
#[derive(Debug)]
#[must_use = "nothing is connected before connect() or lazy()"]
pub struct ChannelBuilder {
    addresses: Vec<String>,
    options: Options,
    authority: Option<String>,
    user_agent: Option<String>,
    #[cfg(feature = "tls")]
    tls: Option<ClientTls>,
    service_config: Option<String>,
}

/// What the connections and calls of a channel have in common.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) balance: Balance,
    pub(super) pool_min: usize,
    pub(super) pool_max: usize,
    pub(super) pool_idle_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) tcp: Tcp,
    pub(super) ejection: Ejection,
    pub(super) backoff: Backoff,
    pub(super) keepalive: Option<Duration>,
    pub(super) keepalive_timeout: Duration,
    pub(super) keepalive_without_calls: bool,
    pub(super) receive_bytes_max: usize,
    pub(super) send_bytes_max: usize,
    pub(super) header_list_bytes: u32,
    pub(super) stream_window_bytes: u32,
    pub(super) connection_window_bytes: u32,
    pub(super) authority: Option<Authority>,
    /// What all requests have.
    pub(super) headers: HeaderMap,
    pub(super) encoding: MessageEncoding,
    pub(super) timeout: Option<Duration>,
    pub(super) interceptors: Vec<Interceptor>,
    pub(super) service_config: Arc<ServiceConfig>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<ClientTlsSession>,
}

/// Sees each call before it is made: its path, and its metadata, to which it may add.
pub(super) type Interceptor = Arc<dyn Fn(&str, &mut Metadata) -> Result<(), Status> + Send + Sync>;

impl Default for Options {
    fn default() -> Self {
        Self {
            balance: Balance::default(),
            pool_min: 1,
            pool_max: 1,
            pool_idle_timeout: limits::CLIENT_POOL_IDLE_TIMEOUT,
            connect_timeout: limits::CLIENT_CONNECT_TIMEOUT,
            idle_timeout: limits::CLIENT_IDLE_TIMEOUT,
            tcp: Tcp::default(),
            ejection: Ejection::default(),
            backoff: Backoff::default(),
            keepalive: None,
            keepalive_timeout: limits::KEEPALIVE_TIMEOUT,
            keepalive_without_calls: false,
            receive_bytes_max: limits::MESSAGE_RECEIVE_BYTES,
            send_bytes_max: limits::CLIENT_MESSAGE_SEND_BYTES,
            header_list_bytes: limits::CLIENT_HEADER_LIST_BYTES,
            stream_window_bytes: limits::CLIENT_STREAM_WINDOW_BYTES,
            connection_window_bytes: limits::CLIENT_CONNECTION_WINDOW_BYTES,
            authority: None,
            headers: attempt::headers(HeaderValue::from_static(USER_AGENT)),
            encoding: MessageEncoding::Identity,
            timeout: None,
            interceptors: Vec::new(),
            service_config: Arc::default(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

#[cfg(feature = "tls")]
impl Options {
    /// What an https endpoint is connected to with; the builder has seen to it that it is there.
    pub(super) fn tls_session(&self) -> Option<&ClientTlsSession> {
        self.tls.as_ref()
    }
}

impl ChannelBuilder {
    pub(super) fn new(address: &str) -> Self {
        Self {
            addresses: vec![address.to_owned()],
            options: Options::default(),
            authority: None,
            user_agent: None,
            #[cfg(feature = "tls")]
            tls: None,
            service_config: None,
        }
    }

    /// Another address of the same service.
    pub fn endpoint(mut self, address: &str) -> Self {
        self.addresses.push(address.to_owned());
        self
    }

    /// How calls are dealt to several endpoints; in turn unless set.
    pub fn balance(mut self, balance: Balance) -> Self {
        self.options.balance = balance;
        self
    }

    /// How long one of several endpoints is left out when five calls in a row failed there with
    /// UNAVAILABLE or met their deadline; 30 seconds unless set. It is longer each time until a call succeeds.
    pub fn ejection(mut self, time: Duration) -> Self {
        self.options.ejection.time = time;
        self
    }

    /// How many calls in a row must fail so for that; five unless set, and one where an endpoint is
    /// back from being left out.
    pub fn ejection_failures(mut self, failures: u32) -> Self {
        self.options.ejection.failures = failures;
        self
    }

    /// How long an endpoint is left out at the most; five minutes unless set.
    pub fn ejection_max(mut self, time: Duration) -> Self {
        self.options.ejection.time_max = time;
        self
    }

    /// How many connections there are to an endpoint; one unless set. There are more than the least
    /// only while the calls need them: when every connection carries four fifths of what its server
    /// lets it.
    pub fn pool(mut self, connections: RangeInclusive<usize>) -> Self {
        (self.options.pool_min, self.options.pool_max) = connections.into_inner();
        self
    }

    /// How long a connection beyond the least may be without calls; 30 seconds unless set.
    pub fn pool_idle_timeout(mut self, timeout: Duration) -> Self {
        self.options.pool_idle_timeout = timeout;
        self
    }

    /// How long an attempt to connect may take, TLS and HTTP/2 included; 20 seconds unless set.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.options.connect_timeout = timeout;
        self
    }

    /// How long a channel without calls tries to reach a server that is gone; half an hour unless
    /// set. Then it is idle, until the next call or [`Channel::wake`].
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.options.idle_timeout = timeout;
        self
    }

    /// How long a connection may be silent before the system asks the other end whether it is there
    /// (TCP keepalive); 30 seconds unless set.
    pub fn tcp_keepalive(mut self, time: Duration) -> Self {
        self.options.tcp.keepalive = time;
        self
    }

    /// How long what was sent may stay unacknowledged by the other end's system before the connection
    /// is given up (TCP_USER_TIMEOUT, on Linux); a minute unless set.
    pub fn tcp_user_timeout(mut self, timeout: Duration) -> Self {
        self.options.tcp.user_timeout = timeout;
        self
    }

    /// How long to wait after an attempt that failed.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.options.backoff = backoff;
        self
    }

    /// Asks the server every so often whether it is there, while calls are open (gRFC A8); not
    /// unless set. Less than ten seconds are ten: servers close the connections of those who ask
    /// more often than they like.
    pub fn keepalive(mut self, interval: Duration) -> Self {
        self.options.keepalive = Some(interval.max(limits::CLIENT_KEEPALIVE_MIN));
        self
    }

    /// How long the server may take to answer that; 20 seconds unless set.
    pub fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.options.keepalive_timeout = timeout;
        self
    }

    /// Asks while no call is open, too.
    pub fn keepalive_without_calls(mut self) -> Self {
        self.options.keepalive_without_calls = true;
        self
    }

    /// Longest message received, in bytes; 4 MiB unless set.
    pub fn receive_bytes_max(mut self, bytes: usize) -> Self {
        self.options.receive_bytes_max = bytes;
        self
    }

    /// Longest message sent, in bytes; as long as messages can be unless set.
    pub fn send_bytes_max(mut self, bytes: usize) -> Self {
        self.options.send_bytes_max = bytes;
        self
    }

    /// Longest header list received, in bytes; 8 KiB unless set.
    pub fn header_list_bytes(mut self, bytes: u32) -> Self {
        self.options.header_list_bytes = bytes;
        self
    }

    /// What `:authority` says, in place of the host that is connected to.
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = Some(authority.into());
        self
    }

    /// What stands before this library's name in `user-agent`.
    pub fn user_agent(mut self, name: &str) -> Self {
        self.user_agent = Some(format!("{name} {USER_AGENT}"));
        self
    }

    /// Compresses the requests of all calls that do not say otherwise.
    pub fn compress(mut self, encoding: MessageEncoding) -> Self {
        self.options.encoding = encoding;
        self
    }

    /// The timeout of all calls that do not say otherwise; none unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Sees each call before it is made: its path, and its metadata, to which it may add. With an
    /// error the call is not made. They are asked in the order in which they were added.
    pub fn interceptor(
        mut self,
        interceptor: impl Fn(&str, &mut Metadata) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Self {
        self.options.interceptors.push(Arc::new(interceptor));
        self
    }

    /// Retries, hedging and timeouts for each method, as gRPC's service config has it (JSON;
    /// grpc/grpc, doc/service_config.md).
    pub fn service_config(mut self, json: impl Into<String>) -> Self {
        self.service_config = Some(json.into());
        self
    }

    /// Whom to trust, for endpoints with https.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Makes the channel; it connects with the first call. To be called in a tokio runtime.
    ///
    /// # Errors
    /// If an address, a file or the service config is not what it should be.
    pub fn lazy(self) -> Result<Channel, Error> {
        let endpoints: Vec<Endpoint> = self
            .addresses
            .iter()
            .map(|address| Endpoint::parse(address))
            .collect::<Result<_, _>>()?;
        let mut options = self.options;
        if options.pool_min > options.pool_max || options.pool_max == 0 {
            return Err(Error::configuration(format!(
                "a pool of {} to {} connections is empty",
                options.pool_min, options.pool_max
            )));
        }
        if let Some(authority) = &self.authority {
            let parsed = authority.parse().map_err(|_| {
                Error::configuration(format!("{authority:?} is no authority; one is HOST:PORT"))
            })?;
            options.authority = Some(parsed);
        }
        if let Some(user_agent) = &self.user_agent {
            let value = HeaderValue::from_str(user_agent).map_err(|_| {
                Error::configuration(format!("{user_agent:?} cannot be sent as user-agent"))
            })?;
            options.headers = attempt::headers(value);
        }
        if let Some(json) = &self.service_config {
            options.service_config = Arc::new(ServiceConfig::parse(json)?);
        }
        if endpoints.iter().any(|endpoint| endpoint.tls) {
            #[cfg(feature = "tls")]
            {
                options.tls = Some(self.tls.unwrap_or_default().load()?);
            }
            #[cfg(not(feature = "tls"))]
            return Err(Error::configuration(
                "https needs the feature \"tls\" of this library",
            ));
        }
        Ok(Channel::new(endpoints, options))
    }

    /// Makes the channel and waits until it is connected.
    ///
    /// # Errors
    /// Those of [`lazy`](Self::lazy), and if the first attempt to connect fails.
    pub async fn connect(self) -> Result<Channel, Error> {
        let channel = self.lazy()?;
        channel.wait_until_connected().await?;
        Ok(channel)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("balance", &self.balance)
            .field("pool", &(self.pool_min..=self.pool_max))
            .finish_non_exhaustive()
    }
}

/// User-Agent (PROTOCOL-HTTP2.md, "User Agents").
const USER_AGENT: &str = concat!("grpc-rust-reflectd/", env!("CARGO_PKG_VERSION"));
