//! `reflectd serve`: from the files to a server that answers until a signal ends it.

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    process,
    sync::Arc,
    time::Duration,
};

use reflectd::{
    AccessLog, BoundServer, ClientAuth, Schema, Server, ServerBuilder, TlsConfig,
    binding::Plan,
    schema::Service,
    store::{MemoryStore, Store},
};
use tokio::runtime;

use super::{
    address::Address,
    arguments::{
        AccessLogKind, CallLimits, ClientAuthKind, Data, Log, LogFormat, Network, ServeArguments,
    },
    connections, console,
    events::{Events, Started},
    example,
    failure::Failure,
    plan,
    signals::{self, Received, Signals},
    store,
};

pub(super) fn run(arguments: &ServeArguments) -> Result<(), Failure> {
    let format = arguments.log.format();
    console::start_log(format);
    let schema = arguments.input.load(&arguments.input_limits)?.schema;
    if schema.services().len() == 0 {
        return Err(Failure::new(NO_SERVICE));
    }
    let plan = arguments.answers.plan(&schema)?;
    connections::raise_open_files();
    // It accepts and waits for signals; the workers have runtimes of their own.
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start threads: {error}")))?;
    let served = runtime.block_on(serve(arguments, &schema, &plan, Events::new(format)));
    // A scan that nobody waits for any more must not hold up the end.
    runtime.shutdown_timeout(BLOCKING_THREADS_TIMEOUT);
    served
}

async fn serve(
    arguments: &ServeArguments,
    schema: &Schema,
    plan: &Plan,
    events: Events,
) -> Result<(), Failure> {
    let network = &arguments.network;
    let tcp = resolve(&network.listen).await?;
    let no_signals = |error| Failure::new(format!("no signals: {error}"));
    signals::outlive_file_size_limit().map_err(no_signals)?;
    let store: Arc<dyn Store> = match plan::needs_store(plan) {
        true => arguments.data.open()?,
        // No folder is made for nothing.
        false => Arc::new(MemoryStore::new()),
    };
    let server = build(arguments, schema, plan, Arc::clone(&store)).await?;
    // From here on a signal waits for us, so that none is lost between ready and serving.
    let signals = Signals::new().map_err(no_signals)?;
    let server = bind(server, &tcp, &network.listen).await?;
    if network.tls_cert.is_none() {
        warn_of_plaintext(&server.local_addresses());
    }
    watch_store(&*store, &server, schema);
    events.ready(&started(arguments, schema, plan, &server), plan);
    server
        .serve_with_shutdown(first_signal(signals, events, network.drain_timeout))
        .await;
    events.stopped();
    // The data folder is this process's until the last call has ended, whoever else holds the store.
    drop(store);
    Ok(())
}

fn started<'a>(
    arguments: &ServeArguments,
    schema: &'a Schema,
    plan: &'a Plan,
    server: &BoundServer,
) -> Started<'a> {
    let data = plan::needs_store(plan).then_some(&arguments.data);
    let without_reflection = arguments.network.no_reflection.then_some(&arguments.input);
    let network = &arguments.network;
    let listening = server.local_addresses();
    // The line that can be copied is one without certificates.
    let first = listening.first().filter(|_| network.tls_cert.is_none());
    Started {
        listen: listening
            .iter()
            .map(SocketAddr::to_string)
            .chain(paths(server))
            .collect(),
        workers: network.workers.get(),
        services: schema.services().map(Service::full_name).collect(),
        methods: plan::entries(plan),
        store: data.map(|data| data.store.name()),
        data: data.and_then(Data::folder),
        version: env!("CARGO_PKG_VERSION"),
        pid: process::id(),
        example: first.and_then(|first| example::line(schema, plan, *first, without_reflection)),
    }
}

async fn build(
    arguments: &ServeArguments,
    schema: &Schema,
    plan: &Plan,
    store: Arc<dyn Store>,
) -> Result<Server, Failure> {
    let limits = &arguments.message_limits;
    let mut builder = Server::builder(schema.clone())
        .receive_bytes_max(limits.message_receive_bytes)
        .send_bytes_max(limits.message_send_bytes)
        .connection_limits(arguments.connections.limits())
        .workers(arguments.network.workers)
        .drain_timeout(arguments.network.drain_timeout)
        .access_log(arguments.log.access_log());
    builder = arguments.call_limits.set(builder);
    if arguments.network.no_reflection {
        builder = builder.without_reflection();
    }
    if let Some(tls) = arguments.network.tls() {
        builder = builder.tls(tls);
    }
    Ok(plan.bind(builder, store).await?.build()?)
}

/// Binds to the TCP addresses, and to the Unix sockets among what is to be listened on.
async fn bind(
    server: Server,
    tcp: &[SocketAddr],
    listen: &[Address],
) -> Result<BoundServer, Failure> {
    let mut paths = listen.iter().filter_map(|address| match address {
        Address::Unix(path) => Some(path),
        Address::Tcp(_) => None,
    });
    #[cfg(unix)]
    {
        let bound = match paths.next() {
            Some(first) if tcp.is_empty() => server.bind_unix(first)?,
            Some(first) => server.bind(tcp).await?.and_unix(first)?,
            None => server.bind(tcp).await?,
        };
        Ok(paths.try_fold(bound, BoundServer::and_unix)?)
    }
    #[cfg(not(unix))]
    match paths.next() {
        Some(path) => Err(Failure::new(format!(
            "cannot listen on unix:{}: this system has no Unix sockets",
            path.display()
        ))),
        None => Ok(server.bind(tcp).await?),
    }
}

/// The Unix sockets, as `--listen` takes them.
#[cfg(unix)]
fn paths(server: &BoundServer) -> impl Iterator<Item = String> {
    server
        .local_paths()
        .map(|path| format!("unix:{}", path.display()))
}

#[cfg(not(unix))]
fn paths(_: &BoundServer) -> impl Iterator<Item = String> {
    std::iter::empty()
}

impl Network {
    fn tls(&self) -> Option<TlsConfig> {
        let config = TlsConfig::new(self.tls_cert.as_ref()?, self.tls_key.as_ref()?);
        let Some(ca) = &self.client_ca else {
            return Some(config);
        };
        let auth = match self.client_auth {
            ClientAuthKind::Off => ClientAuth::Off,
            ClientAuthKind::Optional => ClientAuth::Optional,
            ClientAuthKind::Required => ClientAuth::Required,
        };
        Some(config.client_auth(auth, ca))
    }
}

impl CallLimits {
    fn set(&self, mut builder: ServerBuilder) -> ServerBuilder {
        if let Some(timeout) = self.max_timeout {
            builder = builder.max_timeout(timeout);
        }
        if let Some(timeout) = self.default_timeout {
            builder = builder.default_timeout(timeout);
        }
        builder
    }
}

impl Log {
    fn format(&self) -> LogFormat {
        let default = || match io::stdout().is_terminal() {
            true => LogFormat::Text,
            false => LogFormat::Json,
        };
        self.log_format.unwrap_or_else(default)
    }

    fn access_log(&self) -> AccessLog {
        match self.access_log {
            AccessLogKind::Off => AccessLog::Off,
            AccessLogKind::Errors => AccessLog::Errors,
            AccessLogKind::All => AccessLog::All,
        }
    }
}

async fn resolve(listen: &[Address]) -> Result<Vec<SocketAddr>, Failure> {
    let mut addresses = Vec::new();
    for address in listen {
        let Address::Tcp(address) = address else {
            continue;
        };
        for resolved in address.resolve().await? {
            if !addresses.contains(&resolved) {
                addresses.push(resolved);
            }
        }
    }
    Ok(addresses)
}

fn warn_of_plaintext(listening: &[SocketAddr]) {
    for address in listening
        .iter()
        .filter(|address| !address.ip().is_loopback())
    {
        console::warn(&format!(
            "{address} can be reached from other machines, and without TLS anyone on the way can \
             read and change the calls; add --tls-cert and --tls-key, or listen on 127.0.0.1"
        ));
    }
}

fn watch_store(store: &dyn Store, server: &BoundServer, schema: &Schema) {
    let whole = String::new();
    let services = schema
        .services()
        .map(|service| service.full_name().to_owned());
    let services = std::iter::once(whole).chain(services).collect();
    let telling = store::tell_health(store.health(), server.health().clone(), services);
    tokio::spawn(telling);
}

/// Done at the first signal. The second one ends the process at once, whatever is in flight: what
/// was answered is on disk.
async fn first_signal(mut signals: Signals, events: Events, timeout: Duration) {
    let first = signals.next().await;
    events.draining(first, timeout);
    tokio::spawn(async move {
        let second: Received = signals.next().await;
        process::exit(second.exit_code());
    });
}

const NO_SERVICE: &str = "there is nothing to serve: the files define no service; name the one \
                          that has `service … { rpc … }`";

const BLOCKING_THREADS_TIMEOUT: Duration = Duration::from_secs(1);
