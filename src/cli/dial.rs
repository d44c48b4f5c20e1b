//! From an address and flags to a channel.

use std::{
    collections::HashSet,
    fs,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use http::uri::Authority;
use reflectd::{
    Schema,
    client::{Channel, ChannelBuilder, ClientTls, Reflect},
    schema::Service,
};
use tokio::{runtime, time::timeout};

use super::{
    arguments::{Dialing, Headers},
    console,
    failure::Failure,
};

/// A server that can be reached, and the time there is to talk to it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) channel: Channel,
    started: Instant,
    time: Option<Duration>,
    reflect_timeout: Duration,
}

impl Server {
    /// What is left of `--max-time`.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let time = self.time?;
        Some(time.saturating_sub(self.started.elapsed()))
    }

    /// When `--max-time` is over.
    pub(super) fn deadline(&self) -> Option<tokio::time::Instant> {
        tokio::time::Instant::from_std(self.started).checked_add(self.time?)
    }

    /// Asks what its services look like.
    ///
    /// # Errors
    /// Headers that cannot be sent.
    pub(super) fn reflect(&self, headers: &Headers) -> Result<Reflect, Failure> {
        let reflect = self.channel.reflect().metadata(headers.of_reflection()?);
        let reflect = reflect.answer_timeout(self.reflect_timeout);
        Ok(match self.time_left() {
            Some(time) => reflect.timeout(time),
            None => reflect,
        })
    }

    /// What defines all its services. Of those that are left out a person is told.
    ///
    /// # Errors
    /// What keeps it from telling.
    pub(super) async fn whole_schema(&self, headers: &Headers) -> Result<Schema, Failure> {
        let listed = self.reflect(headers)?.services().await?;
        let schema = self.reflect(headers)?.schema().await?;
        let described: HashSet<_> = schema.services().map(Service::full_name).collect();
        for service in listed
            .iter()
            .filter(|name| !described.contains(name.as_str()))
        {
            console::warn(&format!(
                "the server lists {service:?}, and what it says of it is missing or cannot be read"
            ));
        }
        Ok(schema)
    }

    /// What defines a symbol of it.
    ///
    /// # Errors
    /// What keeps it from telling.
    pub(super) async fn schema(&self, headers: &Headers, symbol: &str) -> Result<Schema, Failure> {
        Ok(self.reflect(headers)?.symbol(symbol).schema().await?)
    }
}

impl Dialing {
    /// Connects.
    ///
    /// # Errors
    /// Flags that do not go together, no connection.
    pub(super) async fn connect(&self, address: &str) -> Result<Server, Failure> {
        let started = Instant::now();
        // As grpcurl has it, 0 is no bound.
        let time = self.max_time.filter(|time| !time.is_zero());
        let builder = self.builder(address)?;
        let channel = match time {
            None => builder.connect().await?,
            Some(time) => timeout(time, builder.connect()).await.map_err(|_| {
                Failure::new(format!(
                    "no connection to {address} in {time:?} (--max-time)"
                ))
            })??,
        };
        Ok(Server {
            channel,
            started,
            time,
            reflect_timeout: self.reflect_timeout,
        })
    }

    /// What connects.
    ///
    /// # Errors
    /// Flags that do not go together.
    pub(super) fn builder(&self, address: &str) -> Result<ChannelBuilder, Failure> {
        let url = self.url(address).map_err(Failure::usage)?;
        let mut builder = Channel::builder(&url)
            .connect_timeout(self.connect_timeout)
            .tcp_keepalive(self.tcp_keepalive)
            .tcp_user_timeout(self.tcp_user_timeout)
            .receive_bytes_max(self.max_msg_sz)
            .tls(self.tls());
        if let Some(authority) = &self.authority {
            builder = builder.authority(authority);
        }
        if let Some(user_agent) = &self.user_agent {
            builder = builder.user_agent(user_agent);
        }
        if let Some(interval) = self.keepalive_time {
            builder = builder.keepalive(interval);
        }
        Ok(builder)
    }

    fn tls(&self) -> ClientTls {
        let mut tls = ClientTls::new();
        if let Some(file) = &self.cacert {
            tls = tls.ca(file);
        }
        if let (Some(certificates), Some(key)) = (&self.cert, &self.key) {
            tls = tls.identity(certificates, key);
        }
        if let Some(name) = self.servername.as_ref().or(self.authority.as_ref()) {
            tls = tls.server_name(without_port(name));
        }
        if self.insecure {
            tls = tls.insecure_skip_verify();
        }
        tls
    }

    /// The address with its scheme.
    ///
    /// Without one, TLS is what is asked for, but for addresses of this machine: what listens there
    /// is most often being written, and has no certificate.
    fn url(&self, address: &str) -> Result<String, String> {
        let tls = self.tls_flag();
        if let (true, Some(flag)) = (self.plaintext, tls) {
            return Err(format!(
                "--plaintext means without TLS, and {flag} with it: leave one out"
            ));
        }
        if self.unix || address.starts_with("unix:") {
            if let Some(flag) = tls {
                return Err(format!(
                    "Unix sockets are spoken to without TLS: leave out {flag}"
                ));
            }
            let path = address.strip_prefix("unix:").unwrap_or(address);
            return Ok(format!("unix:{path}"));
        }
        match (address.split_once("://"), tls) {
            (Some(("http", _)), Some(flag)) => Err(format!(
                "http:// means without TLS, and {flag} with it: write https://, or leave it out"
            )),
            (Some(("https", _)), _) if self.plaintext => Err(
                "https:// means with TLS, and --plaintext without: write http://, or leave it out"
                    .to_owned(),
            ),
            (Some(("http" | "https", rest)), _) if is_authority(rest) => Ok(address.to_owned()),
            (Some(_), _) => Err(no_address(address)),
            (None, _) => self.with_scheme(address),
        }
    }

    fn with_scheme(&self, address: &str) -> Result<String, String> {
        let Some(host) = host(address) else {
            return Err(no_address(address));
        };
        // A port alone, as Go's programs take it.
        let here = match host.is_empty() {
            true => "localhost",
            false => "",
        };
        let plaintext = self.plaintext || (self.tls_flag().is_none() && is_here(host));
        let scheme = match plaintext {
            true => "http",
            false => "https",
        };
        Ok(format!("{scheme}://{here}{address}"))
    }

    /// The flag that asks for TLS, if one does.
    fn tls_flag(&self) -> Option<&'static str> {
        [
            ("--tls", self.tls),
            ("--insecure", self.insecure),
            ("--cacert", self.cacert.is_some()),
            ("--cert", self.cert.is_some()),
            ("--servername", self.servername.is_some()),
        ]
        .into_iter()
        .find_map(|(flag, given)| given.then_some(flag))
    }
}

/// Why a word is none, and what was most likely meant.
pub(super) fn no_address(word: &str) -> String {
    let ip = word.rsplit_once(':');
    let meant = match ip.filter(|(ip, _)| ip.parse::<Ipv6Addr>().is_ok()) {
        Some((ip, port)) => format!("; did you mean [{ip}]:{port}?"),
        None if host(word.trim_end_matches('/')).is_some() => {
            format!("; did you mean {}?", word.trim_end_matches('/'))
        }
        None => match fs::metadata(word) {
            Ok(file) if file.is_file() || file.is_dir() => {
                "; files are named with --proto".to_owned()
            }
            Ok(_) => format!("; a socket is unix:{word}"),
            Err(_) => String::new(),
        },
    };
    format!(
        "{word:?} is no address: it wants HOST:PORT, http://HOST:PORT, https://HOST:PORT or \
         unix:PATH{meant}"
    )
}

/// Whether a word looks more like an address than like a path, and is none.
pub(super) fn is_almost_host(word: &str) -> bool {
    let port = word.trim_end_matches('/').rsplit_once(':');
    !is_url(word) && host(word).is_none() && port.is_some_and(|(_, port)| is_digits(port))
}

/// A port that is too high is meant as one, too.
fn is_digits(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it is `HOST` or `HOST:PORT`.
fn is_authority(text: &str) -> bool {
    let parsed = text.strip_suffix('/').unwrap_or(text).parse::<Authority>();
    parsed.is_ok_and(|authority| {
        let (whole, host) = (authority.as_str(), authority.host());
        !whole.contains('@') && (whole == host || authority.port_u16().is_some())
    })
}

/// Whether a word can only be the address of a server.
pub(super) fn is_url(word: &str) -> bool {
    word.contains("://") || word.starts_with("unix:")
}

/// The host of `HOST:PORT`, if it is that; empty if it is `:PORT`.
pub(super) fn host(word: &str) -> Option<&str> {
    let (host, port) = word.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_name = |host: &str| !host.contains([':', '/', '\\', '[', ']', ' ']);
    bare.or_else(|| is_name(host).then_some(host))
}

fn is_here(host: &str) -> bool {
    let name = host.to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        // "localhost." and names below it are this machine (RFC 6761, 6.3).
        Err(_) => name.is_empty() || name == "localhost" || name.ends_with(".localhost"),
    }
}

fn without_port(authority: &str) -> &str {
    host(authority).unwrap_or(authority)
}

/// Runs a command that talks to a server.
///
/// # Errors
/// Those of the command.
pub(super) fn run<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let ended = runtime.block_on(command);
    // A thread may wait for standard input for ever.
    runtime.shutdown_background();
    ended
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        address: String,
        #[command(flatten)]
        dialing: Dialing,
    }

    fn url(typed: &str) -> Result<String, String> {
        let program = Program::parse_from(std::iter::once("call").chain(typed.split(' ')));
        program.dialing.url(&program.address)
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_tls_unasked() {
        for (typed, meant) in [
            ("localhost:1", "http://localhost:1"),
            (":1", "http://localhost:1"),
            (":1 --tls", "https://localhost:1"),
            ("127.1.2.3:1", "http://127.1.2.3:1"),
            ("[::1]:1", "http://[::1]:1"),
            ("a.localhost:1", "http://a.localhost:1"),
            ("localhost:1 --tls", "https://localhost:1"),
            ("localhost:1 --insecure", "https://localhost:1"),
            ("localhost:1 --cacert ca.pem", "https://localhost:1"),
            ("example.com:443", "https://example.com:443"),
            ("10.0.0.1:1", "https://10.0.0.1:1"),
            ("10.0.0.1:1 --plaintext", "http://10.0.0.1:1"),
            ("http://example.com", "http://example.com"),
            ("https://[::1]:1/", "https://[::1]:1/"),
            ("https://localhost:1", "https://localhost:1"),
            ("unix:/run/a", "unix:/run/a"),
            ("/run/a --unix", "unix:/run/a"),
            ("unix:/run/a --plaintext", "unix:/run/a"),
        ] {
            assert_eq!(url(typed).as_deref(), Ok(meant), "{typed}");
        }
        for typed in [
            "localhost",
            "example.com",
            "a:b",
            "::1",
            "a:1 --plaintext --tls",
            "a:1 --plaintext --insecure",
            "http://a:1 --insecure",
            "https://a:1 --plaintext",
            "unix:/a --tls",
            "ftp://a:1",
            "http://",
            "http://a:99999",
            "http://me@a:1",
            "https://a:1/b",
        ] {
            assert!(url(typed).is_err(), "{typed}");
        }
    }
}
