//! `grpc.health.v1.Health` (grpc/grpc, doc/health-checking.md; proto/grpc/health/v1/health.proto).

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::is_vacant;
use crate::{grpc::Status, limits, rpc::Replies, schema::Schema, server::ServerBuilder};

/// What a server says of its health, by the full name of a service; `""` is the server as a whole.
///
/// A new server says SERVING for itself and for every service of its schemas. Cloning is cheap; all
/// clones are the same health.
#[derive(Clone)]
pub struct Health {
    state: Arc<watch::Sender<State>>,
}

/// `grpc.health.v1.HealthCheckResponse.ServingStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServingStatus {
    /// Calls are answered.
    Serving,
    /// Calls should go elsewhere.
    NotServing,
}

impl Health {
    /// Sets the status of a service, which need not be in a schema; `""` for the server as a whole.
    /// Who watches it is told, if it is a change.
    ///
    /// Without effect after [`shut_down`](Self::shut_down).
    pub fn set(&self, service: impl Into<String>, status: ServingStatus) {
        let service = service.into();
        self.change(|services| services.insert(service, status) != Some(status));
    }

    /// Forgets a service: from now on it is unknown.
    ///
    /// Without effect after [`shut_down`](Self::shut_down).
    pub fn clear(&self, service: &str) {
        self.change(|services| services.remove(service).is_some());
    }

    /// The status of a service; `None` if it is unknown.
    pub fn status(&self, service: &str) -> Option<ServingStatus> {
        self.state.borrow().services.get(service).copied()
    }

    /// Every service is NOT_SERVING from now on, whatever is set later.
    ///
    /// Calls are still answered: this tells load balancers to turn away some time before the server
    /// is stopped. A server that is stopped does it by itself.
    pub fn shut_down(&self) {
        self.enter(Phase::ShutDown);
    }

    /// [Shuts down](Self::shut_down), and ends the calls that watch.
    ///
    /// A Watch has no end of its own. grpc-go leaves it open, and its graceful stop then waits until
    /// every client has let go; here that would make each stop take the whole drain timeout. So it
    /// is told NOT_SERVING and ended with UNAVAILABLE, after which clients watch again, elsewhere:
    /// only UNIMPLEMENTED would keep them from it (health-checking.md).
    pub(crate) fn drain(&self) {
        self.enter(Phase::Draining);
    }

    /// Applies a change to the services, which says whether there was one.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, ServingStatus>) -> bool) {
        self.state.send_if_modified(|state| {
            // So that nobody who still sets what he finds undoes the shutdown, as in grpc-go.
            state.phase == Phase::Serving && change(&mut state.services)
        });
    }

    fn enter(&self, phase: Phase) {
        self.state.send_if_modified(|state| {
            if phase <= state.phase {
                return false;
            }
            state.phase = phase;
            for status in state.services.values_mut() {
                *status = ServingStatus::NotServing;
            }
            true
        });
    }
}

impl Default for Health {
    /// SERVING as a whole, no services.
    fn default() -> Self {
        let services = BTreeMap::from([(String::new(), ServingStatus::Serving)]);
        let (state, _) = watch::channel(State {
            services,
            phase: Phase::Serving,
        });
        Self {
            state: Arc::new(state),
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(&self.state.borrow().services)
            .finish()
    }
}

/// Adds the service to a server, as far as its owner does not answer it.
pub(crate) fn add(mut builder: ServerBuilder, health: &Health) -> ServerBuilder {
    for service in builder.schemas().iter().flat_map(Schema::services) {
        health.set(service.full_name(), ServingStatus::Serving);
    }
    let schema = Schema::bundled(&[PROTO]);
    builder = builder.schema(schema.clone());
    if is_vacant(&builder, &schema, CHECK) {
        let health = health.clone();
        builder = builder.unary_sync(CHECK, move |request| check(&health, &request));
    }
    if is_vacant(&builder, &schema, LIST) {
        let health = health.clone();
        builder = builder.unary_sync(LIST, move |HealthListRequest {}| list(&health));
    }
    if is_vacant(&builder, &schema, WATCH) {
        let health = health.clone();
        builder = builder.server_streaming(WATCH, move |request, replies| {
            watch(health.clone(), request, replies)
        });
    }
    builder
}

#[derive(Debug)]
struct State {
    services: BTreeMap<String, ServingStatus>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Everything is NOT_SERVING for good.
    ShutDown,
    /// The calls that watch are ended, too.
    Draining,
}

fn check(health: &Health, request: &HealthCheckRequest) -> Result<HealthCheckResponse, Status> {
    match health.status(&request.service) {
        Some(status) => Ok(HealthCheckResponse {
            status: status.into(),
        }),
        None => Err(Status::not_found(format!(
            "unknown service {:?}",
            request.service
        ))),
    }
}

fn list(health: &Health) -> Result<HealthListResponse, Status> {
    let state = health.state.borrow();
    if state.services.len() > limits::HEALTH_LIST_SERVICES_MAX {
        return Err(Status::resource_exhausted(format!(
            "the server has {} services, at most {} are listed; ask for them with Check",
            state.services.len(),
            limits::HEALTH_LIST_SERVICES_MAX
        )));
    }
    let statuses = state.services.iter().map(|(service, status)| {
        let status = (*status).into();
        (service.clone(), HealthCheckResponse { status })
    });
    Ok(HealthListResponse {
        statuses: statuses.collect(),
    })
}

/// Tells the status of a service, and tells it again whenever it is another than was told last.
async fn watch(
    health: Health,
    request: HealthCheckRequest,
    mut replies: Replies<HealthCheckResponse>,
) -> Result<(), Status> {
    let mut changes = health.state.subscribe();
    let mut told = None;
    loop {
        let (status, phase) = changes.borrow_and_update().seen_by_watch(&request.service);
        if told.replace(status) != Some(status) {
            replies.send(HealthCheckResponse { status }).await?;
        }
        if phase == Phase::Draining || changes.changed().await.is_err() {
            return Err(Status::unavailable("the server is shutting down"));
        }
    }
}

impl State {
    fn seen_by_watch(&self, service: &str) -> (WireStatus, Phase) {
        let status = self.services.get(service).copied();
        let status = status.map_or(WireStatus::ServiceUnknown, WireStatus::from);
        (status, self.phase)
    }
}

#[derive(Debug, Deserialize)]
struct HealthCheckRequest {
    service: String,
}

#[derive(Debug, Serialize)]
struct HealthCheckResponse {
    status: WireStatus,
}

#[derive(Debug, Deserialize)]
struct HealthListRequest {}

#[derive(Debug, Serialize)]
struct HealthListResponse {
    statuses: BTreeMap<String, HealthCheckResponse>,
}

/// `ServingStatus` with the value that only Watch may tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum WireStatus {
    Serving,
    NotServing,
    ServiceUnknown,
}

impl From<ServingStatus> for WireStatus {
    fn from(status: ServingStatus) -> Self {
        match status {
            ServingStatus::Serving => Self::Serving,
            ServingStatus::NotServing => Self::NotServing,
        }
    }
}

const PROTO: &str = "grpc/health/v1/health.proto";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const LIST: &str = "/grpc.health.v1.Health/List";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

#[cfg(test)]
mod tests {
    use super::{Health, Phase, ServingStatus::*, WireStatus, check, list};
    use crate::Code;

    #[test]
    fn a_shut_down_is_final() {
        let health = Health::default();
        health.set("a.A", Serving);
        health.set("a.B", Serving);
        health.clear("a.B");
        health.shut_down();

        health.set("a.A", Serving);
        health.set("a.C", Serving);
        health.clear("a.A");
        assert_eq!(health.status("a.A"), Some(NotServing));
        assert_eq!(health.status(""), Some(NotServing));
        assert_eq!(health.status("a.B"), None);
        assert_eq!(health.status("a.C"), None);

        health.drain();
        health.shut_down();
        let (status, phase) = health.state.borrow().seen_by_watch("a.A");
        assert_eq!((status, phase), (WireStatus::NotServing, Phase::Draining));
    }

    #[test]
    fn only_changes_are_told() {
        let health = Health::default();
        let mut changes = health.state.subscribe();
        let mut changed = || {
            let changed = changes.has_changed().unwrap();
            changes.mark_unchanged();
            changed
        };
        health.set("", Serving);
        health.clear("a.A");
        assert!(!changed());
        health.set("", NotServing);
        assert!(changed());
        health.clear("");
        assert!(changed());
        health.shut_down();
        assert!(changed());
        health.shut_down();
        health.set("", Serving);
        assert!(!changed());
        health.drain();
        assert!(changed());
    }

    #[test]
    fn unknown_to_check_is_a_status_and_to_watch_a_value() {
        let health = Health::default();
        let request = super::HealthCheckRequest {
            service: "a.A".to_owned(),
        };
        assert_eq!(check(&health, &request).unwrap_err().code(), Code::NotFound);
        let (status, _) = health.state.borrow().seen_by_watch("a.A");
        assert_eq!(status, WireStatus::ServiceUnknown);
    }

    #[test]
    fn a_hundred_are_listed_and_no_more() {
        let health = Health::default();
        for number in 1..100 {
            health.set(format!("a.A{number}"), NotServing);
        }
        assert_eq!(list(&health).unwrap().statuses.len(), 100);
        health.set("a.A100", Serving);
        assert_eq!(list(&health).unwrap_err().code(), Code::ResourceExhausted);
    }
}
