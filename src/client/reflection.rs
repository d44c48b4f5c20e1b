//! A schema from the server itself: `grpc.reflection.v1.ServerReflection`, or v1alpha where the server
//! has no other (proto/grpc/reflection/v1/reflection.proto; grpc/grpc, doc/server-reflection.md).

mod collection;
mod conversation;
mod messages;

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;

use self::{
    collection::Collection,
    conversation::Conversation,
    messages::{Answer, Extension, Question},
};
use super::Channel;
use crate::{
    Error, Schema,
    grpc::{Code, Metadata, Status},
    limits,
};

/// Asks a server what its services look like. Nothing is asked before [`schema`](Self::schema) or
/// [`services`](Self::services).
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use reflectd::client::{Channel, Client};
///
/// let channel = Channel::connect("http://127.0.0.1:10010").await?;
/// let schema = channel.reflect().symbol("user.UserInfo").schema().await?;
/// let client = Client::new(channel, schema);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is asked before schema() or services()"]
pub struct Reflect {
    channel: Channel,
    symbols: Vec<String>,
    metadata: Metadata,
    timeout: Option<Duration>,
    answer_timeout: Duration,
}

impl Channel {
    /// Asks the server's reflection service what its services look like.
    pub fn reflect(&self) -> Reflect {
        Reflect {
            channel: self.clone(),
            symbols: Vec::new(),
            metadata: Metadata::new(),
            timeout: None,
            answer_timeout: limits::CLIENT_REFLECTION_ANSWER_TIMEOUT,
        }
    }
}

impl Reflect {
    /// Wants the file that defines this symbol (a service, most often) and what it imports, and no
    /// others; may be repeated. Without, the files of all services are asked for.
    pub fn symbol(mut self, full_name: impl Into<String>) -> Self {
        self.symbols.push(full_name.into());
        self
    }

    /// Adds metadata to the questions.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata.extend(metadata);
        self
    }

    /// How long the server may take to answer one question
    /// ([`limits::CLIENT_REFLECTION_ANSWER_TIMEOUT`] unless set).
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// How long all questions together may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The full names of the services that the server lists, sorted.
    ///
    /// # Errors
    /// If the server has no reflection service, or refuses to answer ([`Error::is_reflection`]).
    pub async fn services(self) -> Result<Vec<String>, Error> {
        let mut conversation = self.converse();
        let services = conversation.services().await;
        conversation.end().await;
        services
    }

    /// The files that define what was asked for, all that they import, and the extensions of their
    /// messages that the server knows. As the files come whole, so do services beside those that were
    /// asked for.
    ///
    /// # Errors
    /// If the server has no reflection service, refuses to answer, has no such symbol
    /// ([`Error::is_reflection`]), or its files make no schema ([`Error::is_schema`]). Where all
    /// services were asked for, those that the server cannot describe are left out.
    pub async fn schema(self) -> Result<Schema, Error> {
        let mut conversation = self.converse();
        let collection = self.collect(&mut conversation).await;
        conversation.end().await;
        let collection = collection?;
        let strict = !self.symbols.is_empty();
        tokio::task::spawn_blocking(move || compile(collection, strict))
            .await
            .map_err(|error| Error::reflection("the server's files cannot be compiled", error))?
    }

    /// Asks for the files.
    async fn collect(&self, conversation: &mut Conversation) -> Result<Collection, Error> {
        let mut collection = Collection::default();
        match self.symbols.is_empty() {
            true => all(conversation, &mut collection).await?,
            false => {
                for symbol in &self.symbols {
                    named(conversation, &mut collection, symbol).await?;
                }
            }
        }
        imports(conversation, &mut collection).await?;
        extensions(conversation, &mut collection).await?;
        Ok(collection)
    }

    fn converse(&self) -> Conversation {
        let timeout = self.timeout;
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let metadata = self.metadata.clone();
        Conversation::new(&self.channel, metadata, self.answer_timeout, deadline)
    }
}

/// The files of all services that the server can describe.
async fn all(conversation: &mut Conversation, collection: &mut Collection) -> Result<(), Error> {
    let mut refused = None;
    for service in conversation.services().await? {
        if collection.has_service(&service) {
            continue;
        }
        let question = Question::FileContainingSymbol(service.clone());
        match conversation.files(question).await? {
            Ok(files) => collection.add(files)?,
            Err(status) => {
                tracing::warn!(service, %status, "the server lists it, and cannot describe it");
                refused = Some(status);
            }
        }
    }
    match refused {
        Some(status) if collection.is_empty() => {
            let what = "the server can describe none of the services that it lists";
            Err(Error::reflection(what, status))
        }
        _ if collection.is_empty() => Err(Error::reflection_lacks(
            "the server's reflection service lists no service",
        )),
        _ => Ok(()),
    }
}

/// The file that defines a symbol.
async fn named(
    conversation: &mut Conversation,
    collection: &mut Collection,
    symbol: &str,
) -> Result<(), Error> {
    let question = Question::FileContainingSymbol(symbol.to_owned());
    let status = match conversation.files(question).await? {
        Ok(files) => return collection.add(files),
        Err(status) => status,
    };
    let mut what = format!("the server has no symbol {symbol:?}");
    if status.code() != Code::NotFound {
        what = format!("the server cannot describe {symbol:?}");
    } else if let Ok(services) = conversation.services().await {
        match services.iter().any(|service| service == symbol) {
            true => {
                what = format!(
                    "the server lists {symbol:?}, and cannot describe it; name its .proto files \
                     (--proto)"
                );
            }
            false => what += &instead(symbol, &services),
        }
    }
    Err(match status.code() {
        Code::NotFound => Error::reflection_lacks(what),
        _ => Error::reflection(what, status),
    })
}

/// What may have been meant by a symbol that the server does not have.
fn instead(symbol: &str, services: &[String]) -> String {
    let mut names = services.iter().map(String::as_str);
    let without_package = names.clone().find(|name| {
        let package = name.strip_suffix(symbol);
        package.is_some_and(|package| package.ends_with('.'))
    });
    match without_package.or_else(|| Schema::nearest(symbol, names.clone())) {
        Some(meant) => format!(" (did you mean {meant:?}?)"),
        None => {
            let shown: Vec<&str> = names.by_ref().take(SERVICES_SHOWN).collect();
            let more = match names.count() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("; its services are {}{more}", shown.join(", "))
        }
    }
}

/// What the files import that did not come with them, and what that imports.
async fn imports(
    conversation: &mut Conversation,
    collection: &mut Collection,
) -> Result<(), Error> {
    for _ in 0..limits::CLIENT_REFLECTION_DEPTH_MAX {
        let missing = collection.missing();
        if missing.is_empty() {
            return Ok(());
        }
        for name in missing {
            if collection.has(&name) {
                continue;
            }
            let question = Question::FileByFilename(name.clone());
            match conversation.files(question).await? {
                Ok(files) => collection.add(files)?,
                // The compiler tells whose import is not there, or has a copy of its own.
                Err(status) => tracing::debug!(file = name, %status, "an import is not there"),
            }
            collection.asked(name);
        }
    }
    Err(Error::reflection(
        "the server's files cannot be had",
        Status::resource_exhausted(format!(
            "they import each other more than {} deep",
            limits::CLIENT_REFLECTION_DEPTH_MAX
        )),
    ))
}

/// The extensions of the messages that have room for them. A server that tells of none has none.
async fn extensions(
    conversation: &mut Conversation,
    collection: &mut Collection,
) -> Result<(), Error> {
    let mut known: HashSet<(String, i32)> = collection.extensions().collect();
    for extended in collection.extendable() {
        let question = Question::AllExtensionNumbersOfType(extended.clone());
        let Answer::AllExtensionNumbersResponse(numbers) = conversation.ask(question).await? else {
            continue;
        };
        for number in numbers.extension_number {
            if !known.insert((extended.clone(), number)) {
                continue;
            }
            let question = Question::FileContainingExtension(Extension {
                containing_type: extended.clone(),
                extension_number: number,
            });
            if let Ok(files) = conversation.files(question).await? {
                collection.add(files)?;
                known.extend(collection.extensions());
            }
        }
    }
    imports(conversation, collection).await
}

fn compile(collection: Collection, strict: bool) -> Result<Schema, Error> {
    let builder = Schema::builder().descriptor_set_bytes(collection.into_descriptor_set());
    if strict {
        return builder.build();
    }
    let (schema, diagnostics) = builder.build_keep_going()?;
    if schema.services().len() == 0 {
        return Err(diagnostics.into());
    }
    for problem in diagnostics.errors() {
        tracing::warn!(file = problem.file(), "{}", problem.message());
    }
    Ok(schema)
}

/// As many as fit on a line or two.
const SERVICES_SHOWN: usize = 8;
