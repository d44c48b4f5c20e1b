//! The h2 crate and nothing else: what a client on it can reach at most. It checks the reply's bytes
//! and grpc-status.

use std::{future::poll_fn, rc::Rc};

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use peers::{Load, REPLY, REQUEST};
use tokio::net::TcpStream;

#[derive(Clone)]
struct Connection {
    requests: SendRequest<Bytes>,
    uri: Rc<http::Uri>,
}

fn main() {
    let prefix = [0, 0, 0, 0, REQUEST.len() as u8];
    let body = Bytes::from([&prefix[..], REQUEST].concat());
    Load::from_arguments().run(connect, move |connection| call(connection, body.clone()));
}

async fn connect(address: String) -> Connection {
    let socket = TcpStream::connect(&address).await.expect("a connection");
    socket.set_nodelay(true).expect("TCP_NODELAY");
    let (requests, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
    tokio::task::spawn_local(connection);
    let uri = format!("http://{address}/user.UserInfo/getUser");
    Connection {
        requests,
        uri: Rc::new(uri.parse().expect("a URI")),
    }
}

async fn call(connection: Connection, body: Bytes) -> bool {
    exchange(connection, body).await.unwrap_or(false)
}

async fn exchange(connection: Connection, body: Bytes) -> Result<bool, h2::Error> {
    let request = Request::post((*connection.uri).clone())
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(())
        .expect("a request");
    let mut requests = connection.requests;
    poll_fn(|cx| requests.poll_ready(cx)).await?;
    let (response, mut sending) = requests.send_request(request, false)?;
    sending.send_data(body, true)?;
    let mut receiving = response.await?.into_body();
    let mut reply = Vec::new();
    while let Some(data) = poll_fn(|cx| receiving.poll_data(cx)).await {
        let data = data?;
        receiving.flow_control().release_capacity(data.len())?;
        reply.extend_from_slice(&data);
    }
    let trailers = poll_fn(|cx| receiving.poll_trailers(cx)).await?;
    let ok = trailers.is_some_and(|trailers| trailers.get("grpc-status").is_some_and(|s| s == "0"));
    Ok(ok && reply.get(5..) == Some(REPLY))
}

#[global_allocator]
static ALLOCATOR: peers::MiMalloc = peers::MiMalloc;
