//! The h2 crate and nothing else: every request has the same answer. What a server on it can reach at
//! most.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use peers::{
    REPLY,
    service::{Arguments, run},
};
use tokio::net::{TcpListener, TcpStream};

fn main() {
    let arguments = Arguments::of_the_program();
    run(async {
        let address: SocketAddr = arguments.address.parse().expect("an address");
        let listener = TcpListener::bind(address).await.expect("a port");
        loop {
            let (socket, _) = listener.accept().await.expect("a connection");
            socket.set_nodelay(true).expect("TCP_NODELAY");
            tokio::spawn(serve(socket));
        }
    });
}

async fn serve(socket: TcpStream) -> Result<(), h2::Error> {
    let prefix = [0, 0, 0, 0, REPLY.len() as u8];
    let body = Bytes::from([&prefix[..], REPLY].concat());
    let mut builder = h2::server::Builder::new();
    builder.initial_connection_window_size(16 * 1024 * 1024);
    let mut connection = builder.handshake(socket).await?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted?;
        tokio::spawn(answer(request, respond, body.clone()));
    }
    Ok(())
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    reply: Bytes,
) -> Result<(), h2::Error> {
    let mut body = request.into_body();
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data?.len())?;
    }
    let mut head = Response::new(());
    let grpc = HeaderValue::from_static("application/grpc");
    head.headers_mut().insert("content-type", grpc);
    let mut stream = respond.send_response(head, false)?;
    stream.send_data(reply, false)?;
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}

#[global_allocator]
static ALLOCATOR: peers::MiMalloc = peers::MiMalloc;
