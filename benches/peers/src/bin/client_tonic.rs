//! tonic, with what its code generator makes of proto/user.proto.

use peers::Load;
use prost::Message;
use tonic::{
    Request,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, Message)]
struct User {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    description: String,
}

#[derive(Clone, PartialEq, Message)]
struct UserId {
    #[prost(string, tag = "1")]
    value: String,
}

fn main() {
    Load::from_arguments().run(connect, call);
}

async fn connect(address: String) -> Grpc<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
    Grpc::new(
        endpoint
            .tcp_nodelay(true)
            .connect()
            .await
            .expect("a connection"),
    )
}

async fn call(mut grpc: Grpc<Channel>) -> bool {
    if grpc.ready().await.is_err() {
        return false;
    }
    let id = Request::new(UserId {
        value: "7".to_owned(),
    });
    let path = PathAndQuery::from_static("/user.UserInfo/getUser");
    let user = grpc
        .unary(id, path, ProstCodec::<UserId, User>::default())
        .await;
    user.is_ok_and(|user| user.into_inner().name == "jack")
}

#[global_allocator]
static ALLOCATOR: peers::MiMalloc = peers::MiMalloc;
