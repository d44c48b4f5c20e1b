//! tonic, with what its code generator makes of the files.

use std::{future::pending, pin::Pin, sync::Arc};

use peers::service::{
    Arguments, CHUNK, Users,
    generated::{
        peers::{
            Batch, Chunk, Count,
            echo_server::{Echo, EchoServer},
            streams_server::{Streams, StreamsServer},
        },
        user::{
            User, UserId,
            user_info_server::{UserInfo, UserInfoServer},
        },
    },
    run,
};
use prost::Message;
use tokio_stream::Stream;
use tonic::{
    Request, Response, Status,
    transport::{Identity, Server, ServerTlsConfig},
};

struct Service {
    users: Users<User>,
}

#[tonic::async_trait]
impl UserInfo for Service {
    async fn add_user(&self, request: Request<User>) -> Result<Response<UserId>, Status> {
        let mut user = request.into_inner();
        let value = self.users.add(|id| {
            user.id = id.to_owned();
            user
        });
        Ok(Response::new(UserId { value }))
    }

    async fn get_user(&self, request: Request<UserId>) -> Result<Response<User>, Status> {
        let user = self.users.get(&request.get_ref().value);
        user.map(Response::new)
            .ok_or_else(|| Status::not_found("no such user"))
    }
}

#[tonic::async_trait]
impl Echo for Service {
    async fn echo(&self, request: Request<Batch>) -> Result<Response<Batch>, Status> {
        let mut batch = request.into_inner();
        batch.sequence += 1;
        Ok(Response::new(batch))
    }
}

#[tonic::async_trait]
impl Streams for Service {
    type ChunksStream = Pin<Box<dyn Stream<Item = Result<Chunk, Status>> + Send>>;

    async fn chunks(
        &self,
        request: Request<Count>,
    ) -> Result<Response<Self::ChunksStream>, Status> {
        let chunks = (0..request.get_ref().chunks).map(|_| {
            Ok(Chunk {
                data: CHUNK.to_vec(),
            })
        });
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }

    async fn hold(&self, _: Request<Count>) -> Result<Response<Chunk>, Status> {
        pending().await
    }
}

fn main() {
    let arguments = Arguments::of_the_program();
    let users = Users::new(|user| User::decode(user).expect("a user"));
    let service = Arc::new(Service { users });
    let mut server = Server::builder()
        .tcp_nodelay(true)
        .initial_connection_window_size(16 * 1024 * 1024);
    if let Some((certificate, key)) = &arguments.tls {
        let read = |path| std::fs::read(path).expect("a file");
        let identity = Identity::from_pem(read(certificate), read(key));
        let config = ServerTlsConfig::new().identity(identity);
        server = server.tls_config(config).expect("a certificate");
    }
    let server = server
        .add_service(UserInfoServer::from_arc(Arc::clone(&service)))
        .add_service(EchoServer::from_arc(Arc::clone(&service)))
        .add_service(StreamsServer::from_arc(service))
        .serve(arguments.address.parse().expect("an address"));
    run(server).expect("a server");
}

#[global_allocator]
static ALLOCATOR: peers::MiMalloc = peers::MiMalloc;
