//! `reflectd serve`: from the files to a server that answers until a signal ends it.

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    process,
    sync::Arc,
    time::Duration,
};

use reflectd::{
    BoundServer, Schema, Server,
    binding::Plan,
    schema::Service,
    store::{MemoryStore, Store},
};
use tokio::runtime;

use super::{
    address::Address,
    arguments::{Data, Log, LogFormat, ServeArguments},
    console,
    events::{Events, Started},
    example,
    failure::Failure,
    plan,
    signals::{Received, Signals},
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
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("reflectd")
        .thread_stack_size(THREAD_STACK_BYTES)
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
    let addresses = resolve(&network.listen).await?;
    let store: Arc<dyn Store> = match plan::needs_store(plan) {
        true => arguments.data.open()?,
        // No folder is made for nothing.
        false => Arc::new(MemoryStore::new()),
    };
    let server = build(arguments, schema, plan, Arc::clone(&store)).await?;
    // From here on a signal waits for us, so that none is lost between ready and serving.
    let signals = Signals::new().map_err(|error| Failure::new(format!("no signals: {error}")))?;
    let server = server.bind(addresses.as_slice()).await?;
    let listening = server.local_addresses();
    warn_of_plaintext(&listening);
    watch_store(&*store, &server, schema);
    events.ready(&started(arguments, schema, plan, &listening), plan);
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
    listening: &[SocketAddr],
) -> Started<'a> {
    let data = plan::needs_store(plan).then_some(&arguments.data);
    let without_reflection = arguments.network.no_reflection.then_some(&arguments.input);
    let first = listening.first();
    Started {
        listen: listening.iter().map(SocketAddr::to_string).collect(),
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
        .drain_timeout(arguments.network.drain_timeout);
    if arguments.network.no_reflection {
        builder = builder.without_reflection();
    }
    Ok(plan.bind(builder, store).await?.build()?)
}

impl Log {
    fn format(&self) -> LogFormat {
        let default = || match io::stdout().is_terminal() {
            true => LogFormat::Text,
            false => LogFormat::Json,
        };
        self.log_format.unwrap_or_else(default)
    }
}

async fn resolve(listen: &[Address]) -> Result<Vec<SocketAddr>, Failure> {
    let mut addresses = Vec::new();
    for address in listen {
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
             read and change the calls; put a proxy with TLS before it, or listen on 127.0.0.1"
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

/// Messages may nest 100 deep, and reading one in a debug build takes more than the usual 2 MiB.
const THREAD_STACK_BYTES: usize = 8 * 1024 * 1024;
