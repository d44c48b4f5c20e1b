//! pajamax, with what its code generator makes of the files.

use pajamax::status::{Code, Status};
use peers::service::{Arguments, Users};
use prost::Message;

#[allow(clippy::all, dead_code)]
mod user {
    include!(concat!(env!("OUT_DIR"), "/user.rs"));
}
#[allow(clippy::all, dead_code)]
mod peers_proto {
    include!(concat!(env!("OUT_DIR"), "/peers.rs"));
}

struct Service {
    users: Users<user::User>,
}

impl user::UserInfo for Service {
    fn add_user(&self, mut user: user::User) -> pajamax::Response<user::UserId> {
        let value = self.users.add(|id| {
            user.id = id.to_owned();
            user
        });
        Ok(user::UserId { value })
    }

    fn get_user(&self, id: user::UserId) -> pajamax::Response<user::User> {
        self.users.get(&id.value).ok_or_else(|| Status {
            code: Code::NotFound,
            message: "no such user".to_owned(),
        })
    }
}

struct Echo;

impl peers_proto::Echo for Echo {
    fn echo(&self, mut batch: peers_proto::Batch) -> pajamax::Response<peers_proto::Batch> {
        batch.sequence += 1;
        Ok(batch)
    }
}

fn main() {
    let address = Arguments::of_the_program().address;
    let users = Users::new(|user| user::User::decode(user).expect("a user"));
    pajamax::Config::new()
        .add_service(user::UserInfoServer::new(Service { users }))
        .add_service(peers_proto::EchoServer::new(Echo))
        .serve(address)
        .expect("a server");
}

#[global_allocator]
static ALLOCATOR: peers::MiMalloc = peers::MiMalloc;
