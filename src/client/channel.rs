//! The way to a service: connections that are shared by whoever has a clone of it.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{
    HeaderMap,
    uri::{Authority, Scheme},
};
use tokio::{sync::watch, time::Instant};

use super::{
    ChannelBuilder, ConnectivityState, builder::Options, connection::Place, endpoint::Endpoint,
    failure::Failure, retry::Throttle, subchannel::Subchannel,
};
use crate::{
    Error,
    grpc::{Code, Status},
};

/// A channel to a service: calls of any number of tasks over one connection or a few, which are made
/// when they are needed and made again when they are lost. Cloning is cheap, and every clone shares
/// the connections.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use reflectd::{Schema, client::{Channel, Client}};
///
/// let channel = Channel::connect("http://127.0.0.1:10010").await?;
/// let client = Client::new(channel, Schema::compile(["proto/user.proto"], ["proto"])?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Channel {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    subchannels: Vec<Arc<Subchannel>>,
    pub(super) options: Options,
    pub(super) throttle: Option<Arc<Throttle>>,
    /// The headers of the last timeout: calls of a channel often have the same.
    pub(super) last_headers: Mutex<Option<(Duration, Arc<HeaderMap>)>>,
    /// How often calls have looked for an endpoint, or for a connection to the only one.
    asked: Arc<AtomicUsize>,
    changes: watch::Sender<u64>,
}

/// How calls are dealt to several endpoints. Those that cannot be reached, and those where calls keep
/// failing with UNAVAILABLE or meeting their deadline, are left out until they are back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Balance {
    /// In turn.
    #[default]
    RoundRobin,
    /// To the one that has the fewest calls.
    LeastRequest,
    /// To the first that can be reached.
    PickFirst,
}

/// A place on a connection, and whose it is.
pub(super) struct Placed {
    pub(super) place: Place,
    pub(super) subchannel: Arc<Subchannel>,
    deadline: Option<Instant>,
    judged: bool,
}

impl Placed {
    /// Tells the balancer how an attempt ended.
    pub(super) fn judge(&mut self, failure: Option<&Failure>) {
        let failed = failure.is_some_and(|failure| {
            let code = failure.status.code();
            code == Code::Unavailable || code == Code::DeadlineExceeded
        });
        self.judged = true;
        self.subchannel.judge(failed);
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        // Who says nothing until the deadline has failed, too.
        if !self.judged
            && self
                .deadline
                .is_some_and(|deadline| deadline <= Instant::now())
        {
            self.subchannel.judge(true);
        }
    }
}

impl Channel {
    /// Connects to `http://host:port`, `https://host:port` or `unix:/path`.
    ///
    /// # Errors
    /// If the address is none, or the first attempt to connect fails.
    pub async fn connect(address: &str) -> Result<Self, Error> {
        Self::builder(address).connect().await
    }

    /// Sets a channel up.
    pub fn builder(address: &str) -> ChannelBuilder {
        ChannelBuilder::new(address)
    }

    pub(super) fn new(endpoints: Vec<Endpoint>, options: Options) -> Self {
        let (changes, _) = watch::channel(0);
        let shared = Arc::new(options.clone());
        let asked = Arc::<AtomicUsize>::default();
        let is_balanced = endpoints.len() > 1;
        let subchannels = endpoints
            .into_iter()
            .map(|endpoint| {
                let (options, asked) = (Arc::clone(&shared), Arc::clone(&asked));
                Subchannel::new(endpoint, options, changes.clone(), asked, is_balanced)
            })
            .collect();
        let throttle = options
            .service_config
            .throttling
            .map(Throttle::new)
            .map(Arc::new);
        Self {
            inner: Arc::new(Inner {
                subchannels,
                options,
                throttle,
                last_headers: Mutex::default(),
                asked,
                changes,
            }),
        }
    }

    /// Whether it is connected: ready if one endpoint is.
    pub fn state(&self) -> ConnectivityState {
        let states = self
            .inner
            .subchannels
            .iter()
            .map(|subchannel| subchannel.state());
        let best = states.min_by_key(|state| match state {
            ConnectivityState::Ready => 0,
            ConnectivityState::Connecting => 1,
            ConnectivityState::Idle => 2,
            ConnectivityState::TransientFailure => 3,
        });
        best.unwrap_or(ConnectivityState::Idle)
    }

    /// Waits until the state is another than `known`; what it is then.
    pub async fn state_changed(&self, known: ConnectivityState) -> ConnectivityState {
        let mut changes = self.inner.changes.subscribe();
        loop {
            let state = self.state();
            if state != known || changes.changed().await.is_err() {
                return state;
            }
        }
    }

    /// Connects now, if it is idle; calls do so by themselves.
    pub fn wake(&self) {
        for subchannel in &self.inner.subchannels {
            if subchannel.state() == ConnectivityState::Idle {
                subchannel.connect();
            }
        }
    }

    /// Waits for a connection.
    pub(super) async fn wait_until_connected(&self) -> Result<(), Error> {
        match self.inner.place(false, None).await {
            Ok(_) => Ok(()),
            Err(status) => Err(Error::connection(status.message())),
        }
    }
}

impl Inner {
    /// A place for a call on a connection that is there.
    pub(super) fn place_now(&self, deadline: Option<Instant>) -> Option<Placed> {
        let (place, subchannel) = self.pick()?;
        Some(Placed {
            place,
            subchannel,
            deadline,
            judged: false,
        })
    }

    /// A place for a call. With `wait_for_ready` it waits as long as it takes; without, it fails as
    /// soon as no endpoint could be reached at the last attempt (grpc/grpc, doc/wait-for-ready.md).
    pub(super) async fn place(
        &self,
        wait_for_ready: bool,
        deadline: Option<Instant>,
    ) -> Result<Placed, Status> {
        let (place, subchannel) = self.wait_for_place(wait_for_ready).await?;
        Ok(Placed {
            place,
            subchannel,
            deadline,
            judged: false,
        })
    }

    async fn wait_for_place(
        &self,
        wait_for_ready: bool,
    ) -> Result<(Place, Arc<Subchannel>), Status> {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(placed) = self.pick() {
                return Ok(placed);
            }
            self.connect();
            let mut states = self.subchannels.iter().map(|subchannel| subchannel.state());
            if !wait_for_ready && states.all(|s| s == ConnectivityState::TransientFailure) {
                return Err(self.unavailable());
            }
            if changes.changed().await.is_err() {
                return Err(self.unavailable());
            }
        }
    }

    /// Scheme and authority of a request to an endpoint.
    pub(super) fn address(&self, endpoint: &Endpoint) -> (Scheme, Authority) {
        let scheme = match endpoint.tls {
            true => Scheme::HTTPS,
            false => Scheme::HTTP,
        };
        let authority = self.options.authority.as_ref();
        (scheme, authority.unwrap_or(&endpoint.authority).clone())
    }

    fn pick(&self) -> Option<(Place, Arc<Subchannel>)> {
        let subchannels = &self.subchannels;
        if let [only] = subchannels.as_slice() {
            let placed = placed(only);
            // Calls that find it connected write nothing that others write.
            if placed.is_none() {
                self.asked.fetch_add(1, Ordering::Relaxed);
            }
            return placed;
        }
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let start = match self.options.balance {
            Balance::RoundRobin => asked % subchannels.len(),
            Balance::LeastRequest => return self.least().and_then(placed),
            Balance::PickFirst => 0,
        };
        let in_turn = || subchannels[start..].iter().chain(&subchannels[..start]);
        if self.options.balance == Balance::RoundRobin {
            // Who is not connected yet takes part from the time when he is.
            self.connect_idle();
        }
        in_turn()
            .filter(|subchannel| !subchannel.is_ejected())
            .find_map(placed)
            // Better one that fails than none.
            .or_else(|| in_turn().find_map(placed))
    }

    fn least(&self) -> Option<&Arc<Subchannel>> {
        self.connect_idle();
        let ready = || {
            let subchannels = self.subchannels.iter();
            subchannels.filter(|subchannel| subchannel.state() == ConnectivityState::Ready)
        };
        ready()
            .filter(|subchannel| !subchannel.is_ejected())
            .min_by_key(|subchannel| subchannel.calls())
            .or_else(|| ready().min_by_key(|subchannel| subchannel.calls()))
    }

    fn connect_idle(&self) {
        for subchannel in &self.subchannels {
            if subchannel.state() == ConnectivityState::Idle {
                subchannel.connect();
            }
        }
    }

    /// Connects to whom the policy would deal calls.
    fn connect(&self) {
        for subchannel in &self.subchannels {
            subchannel.connect();
            let first = self.options.balance == Balance::PickFirst;
            if first && subchannel.state() != ConnectivityState::TransientFailure {
                return;
            }
        }
    }

    fn unavailable(&self) -> Status {
        let mut errors = self
            .subchannels
            .iter()
            .filter_map(|subchannel| subchannel.error());
        match errors.next_back() {
            Some(error) => Status::unavailable(error.to_string()),
            None => Status::unavailable("the channel is not connected"),
        }
    }
}

fn placed(subchannel: &Arc<Subchannel>) -> Option<(Place, Arc<Subchannel>)> {
    let place = subchannel.place()?;
    Some((place, Arc::clone(subchannel)))
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("endpoints", &self.inner.subchannels)
            .finish_non_exhaustive()
    }
}
