//! The client: a channel to a service, and calls on it, without generated code.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use reflectd::{Schema, client::{Channel, Client}};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize)]
//! struct Person { name: String }
//!
//! #[derive(Deserialize)]
//! struct Greeting { text: String }
//!
//! let schema = Schema::compile(["proto/greeter.proto"], ["proto"])?;
//! let client = Client::new(Channel::connect("http://127.0.0.1:10010").await?, schema);
//! let greeting: Greeting = client
//!     .call("/greeter.Greeter/Greet")
//!     .timeout(Duration::from_secs(10))
//!     .unary(Person { name: "Ann".to_owned() })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! From top to bottom: [`Client`] knows a schema and makes calls ([`Call`]) of a [`Channel`], which
//! has subchannels, one an endpoint, which have connections. An attempt is one request on one
//! connection; a call makes further ones where that is safe, or asked for.

mod attempt;
mod backoff;
mod builder;
mod call;
mod channel;
mod concurrent_streams;
mod connection;
mod connectivity;
mod connector;
mod endpoint;
mod failure;
mod hedging;
mod incoming;
mod outgoing;
mod outlier;
mod race;
mod receiving;
mod reflection;
mod retry;
mod sending;
mod service_config;
mod streaming;
mod subchannel;
#[cfg(feature = "tls")]
mod tls;
mod unary;

pub use backoff::Backoff;
pub use builder::ChannelBuilder;
pub use call::{Call, Client, ClientStreaming};
pub use channel::{Balance, Channel};
pub use connectivity::ConnectivityState;
pub use reflection::Reflect;
pub use streaming::{Requests, Responses};
#[cfg(feature = "tls")]
pub use tls::ClientTls;
