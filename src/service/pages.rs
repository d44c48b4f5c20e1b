//! What people see who look at the server with a browser or with curl, and load balancers that know
//! no gRPC.

use std::{collections::HashMap, fmt::Write};

use bytes::Bytes;

use super::{Health, ServingStatus};
use crate::{
    grpc::{CallHead, HttpMethod},
    rpc::{Page, Pages},
    schema::{Schema, Service},
};

/// What the pages tell.
pub(crate) struct Facts<'a> {
    pub(crate) schemas: &'a [Schema],
    pub(crate) health: Health,
    /// Whether the services may be told, as reflection does.
    pub(crate) reflection: bool,
    pub(crate) tls: bool,
    /// What the user of the library wants to be read, by path.
    pub(crate) texts: HashMap<Vec<u8>, Bytes>,
}

/// `GET /` says what this is, `GET /healthz` whether it serves; the user's texts go before, and
/// answer every method.
pub(crate) fn pages(facts: Facts<'_>) -> Pages {
    let services = match facts.reflection {
        true => service_names(facts.schemas),
        false => Vec::new(),
    };
    let Facts {
        health, tls, texts, ..
    } = facts;
    Pages::new(move |head| {
        if let Some(text) = texts.get(path(head)) {
            let text = text.clone();
            let http_status = 200;
            return Some(answer(head, Page { http_status, text }));
        }
        let page = match path(head) {
            b"/" => page(200, &front_page(head, &services, tls)),
            b"/healthz" => match health.status("") {
                Some(ServingStatus::Serving) => page(200, "SERVING\n"),
                _ => page(503, "NOT_SERVING\n"),
            },
            _ => return None,
        };
        match head.method {
            HttpMethod::Get | HttpMethod::Head => Some(answer(head, page)),
            HttpMethod::Post | HttpMethod::Other => None,
        }
    })
}

/// HEAD is answered without the text (RFC 9110, 9.3.2).
fn answer(head: &CallHead, page: Page) -> Page {
    match head.method {
        HttpMethod::Head => Page {
            text: Bytes::new(),
            ..page
        },
        _ => page,
    }
}

fn service_names(schemas: &[Schema]) -> Vec<String> {
    let services = schemas.iter().flat_map(Schema::services);
    let mut names: Vec<_> = services
        .map(Service::full_name)
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

fn path(head: &CallHead) -> &[u8] {
    let mut parts = head.path.splitn(2, |byte| *byte == b'?');
    parts.next().unwrap_or_default()
}

fn page(http_status: u16, text: &str) -> Page {
    Page {
        http_status,
        text: text.to_owned().into(),
    }
}

fn front_page(head: &CallHead, services: &[String], tls: bool) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text =
        format!("This is a gRPC server (reflectd {version}); gRPC is spoken over HTTP/2.\n");
    let authority = head.authority.as_deref().unwrap_or(b"HOST:PORT");
    let authority = String::from_utf8_lossy(authority);
    let plaintext = if tls { "" } else { " -plaintext" };
    if services.is_empty() {
        text.push_str("\nIt does not tell its services; clients need their .proto:\n\n");
        let _ = writeln!(
            text,
            "  grpcurl{plaintext} -proto FILE.proto -d '{{}}' {authority} SERVICE/METHOD"
        );
        return text;
    }
    text.push_str("\nServices:\n");
    for service in services {
        let _ = writeln!(text, "  {service}");
    }
    text.push_str("\nTo see what can be called:\n\n");
    let _ = writeln!(text, "  grpcurl{plaintext} {authority} describe");
    text
}
