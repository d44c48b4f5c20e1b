//! Where a channel connects to.

use std::path::PathBuf;

use http::uri::Authority;

use crate::Error;

/// One address of a service: `http://host:port`, `https://host:port` or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) target: Target,
    pub(super) tls: bool,
    /// `:authority`.
    pub(super) authority: Authority,
}

/// What is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Resolved anew with every connection.
    Host {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

impl Endpoint {
    /// Reads an address; without a scheme it is `http://`.
    pub(super) fn parse(address: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            Error::configuration(format!(
                "{address:?} is no address to connect to: {why}; use http://HOST:PORT, \
                 https://HOST:PORT or unix:/PATH"
            ))
        };
        if let Some(path) = address.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(wrong("it has no path"));
            }
            return Ok(Self {
                target: Target::Unix(path.into()),
                tls: false,
                authority: Authority::from_static("localhost"),
            });
        }
        let (tls, rest) = match address.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err(wrong("the scheme is not known")),
            None => (false, address),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let authority: Authority = rest.parse().map_err(|_| wrong("it has no host and port"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("gRPC knows no user before the host"));
        }
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str() == host => default_port(tls),
            None => return Err(wrong("the port is no number up to 65535")),
        };
        Ok(Self {
            target: Target::Host {
                host: bare.unwrap_or(host).to_owned(),
                port,
            },
            tls,
            authority,
        })
    }

    /// As it is told to people.
    pub(super) fn name(&self) -> String {
        match &self.target {
            Target::Host { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Target::Host { host, port } => format!("{host}:{port}"),
            Target::Unix(path) => format!("unix:{}", path.display()),
        }
    }
}

fn default_port(tls: bool) -> u16 {
    match tls {
        true => 443,
        false => 80,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let cases = [
            ("http://127.0.0.1:10010", "127.0.0.1:10010", false),
            ("127.0.0.1:10010", "127.0.0.1:10010", false),
            ("localhost:1/", "localhost:1", false),
            ("https://api.test", "api.test:443", true),
            ("http://api.test", "api.test:80", false),
            ("http://[::1]:5", "[::1]:5", false),
            ("unix:/run/a.sock", "unix:/run/a.sock", false),
            ("unix:///run/a.sock", "unix:/run/a.sock", false),
            ("unix:a.sock", "unix:a.sock", false),
        ];
        for (address, name, tls) in cases {
            let endpoint = Endpoint::parse(address).unwrap();
            assert_eq!(
                (endpoint.name().as_str(), endpoint.tls),
                (name, tls),
                "{address}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_told_what_one_is() {
        for address in [
            "",
            "ftp://a:1",
            "http://",
            "http://a:99999",
            "http://u@a:1",
            "a b",
            "unix:",
        ] {
            let error = Endpoint::parse(address).unwrap_err().to_string();
            assert!(error.contains("use http://HOST:PORT"), "{address}: {error}");
        }
    }
}
