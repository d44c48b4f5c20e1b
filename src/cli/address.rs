//! Where to listen, as people type it.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use tokio::net::lookup_host;

use super::failure::Failure;

/// `HOST:PORT` or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(HostPort),
    Unix(PathBuf),
}

/// `HOST:PORT`; a port alone means this machine only, `:PORT` every address it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// The IP addresses of the host, each with the port.
    ///
    /// # Errors
    /// If there is no such host.
    pub(super) async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        match lookup_host((self.host.as_str(), self.port)).await {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) => Err(Failure::new(format!(
                "cannot listen on {self}: no address is known for {:?} ({error}); name an IP \
                 address with --listen",
                self.host
            ))),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err("a path is missing: unix:/run/reflectd.sock".to_owned()),
            // `unix:///path` is how gRPC's clients write it.
            Some(path) => Ok(Self::Unix(path.strip_prefix("//").unwrap_or(path).into())),
            None => text.parse().map(Self::Tcp),
        }
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = match text.rsplit_once(':') {
            Some(("", port)) => (EVERYWHERE, port),
            Some((host, port)) => (host, port),
            None => (HERE, text),
        };
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(inner) => inner,
            // `::1` without brackets: its last part would be taken for the port.
            None if host.contains(':') => {
                return Err("an IPv6 address stands in brackets: [::1]:10010".to_owned());
            }
            None => host,
        };
        match port.parse() {
            Ok(port) => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            Err(_) => Err(
                "it wants ADDRESS:PORT, for example 127.0.0.1:10010; port 0 takes a free one"
                    .to_owned(),
            ),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// The address as a client on this machine dials it: nobody can dial "every address".
pub(super) fn to_dial(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

const HERE: &str = "127.0.0.1";
const EVERYWHERE: &str = "0.0.0.0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_all_their_forms() {
        for (typed, meant) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("localhost:80", "localhost:80"),
            ("[::1]:443", "[::1]:443"),
            ("8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("unix:///run/a.sock", "unix:/run/a.sock"),
        ] {
            let address: Address = typed.parse().unwrap();
            assert_eq!(address.to_string(), meant, "{typed}");
        }
        for wrong in [
            "",
            "unix:",
            "localhost",
            "::1",
            "1.2.3.4:",
            "1.2.3.4:65536",
            "http://a:1",
        ] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong:?}");
        }
    }
}
