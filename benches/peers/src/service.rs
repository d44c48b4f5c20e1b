//! What every server answers with: the users behind a lock, and the arguments.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::REPLY;

/// What tonic's code generator makes of the files.
pub mod generated {
    #[allow(clippy::all)]
    pub mod user {
        include!(concat!(env!("OUT_DIR"), "/user.rs"));
    }
    #[allow(clippy::all)]
    pub mod peers {
        include!(concat!(env!("OUT_DIR"), "/peers.rs"));
    }
}

/// A thousand users that are looked up, and those that were added, in the order of their ids.
pub struct Users<User>(Mutex<Table<User>>);

struct Table<User> {
    known: HashMap<String, User>,
    added: BTreeMap<String, User>,
    next: u64,
}

impl<User: Clone> Users<User> {
    /// `user` decodes the encoding of a user.
    pub fn new(user: impl Fn(&[u8]) -> User) -> Self {
        let known = (0..KNOWN)
            .map(|id| (id.to_string(), user(&encoded(id))))
            .collect();
        Self(Mutex::new(Table {
            known,
            added: BTreeMap::new(),
            next: KNOWN,
        }))
    }

    pub fn get(&self, id: &str) -> Option<User> {
        let table = self.lock();
        table.known.get(id).or_else(|| table.added.get(id)).cloned()
    }

    /// Keeps what is made of the next id, and returns that.
    pub fn add(&self, user: impl FnOnce(&str) -> User) -> String {
        let mut table = self.lock();
        let id = table.next.to_string();
        table.next += 1;
        table.added.insert(id.clone(), user(&id));
        id
    }

    fn lock(&self) -> MutexGuard<'_, Table<User>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// User `id`, whose name is jack.
fn encoded(id: u64) -> Vec<u8> {
    let id = id.to_string();
    [&[0x0a, id.len() as u8][..], id.as_bytes(), &REPLY[3..]].concat()
}

/// ADDRESS, and with TLS the files of a certificate and its key.
pub struct Arguments {
    pub address: String,
    pub tls: Option<(String, String)>,
}

impl Arguments {
    pub fn of_the_program() -> Self {
        let mut arguments = std::env::args().skip(1);
        let Some(address) = arguments.next() else {
            eprintln!("arguments: ADDRESS [CERTIFICATE KEY]");
            std::process::exit(2);
        };
        Self {
            address,
            tls: arguments.next().zip(arguments.next()),
        }
    }
}

/// Runs a server on one thread.
pub fn run<T>(server: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(server)
}

/// What a chunk of a stream holds: the message then has 100 bytes.
pub const CHUNK: &[u8] = &[b'x'; 98];

pub const GET_USER: &str = "/user.UserInfo/getUser";
pub const ADD_USER: &str = "/user.UserInfo/addUser";
pub const ECHO: &str = "/peers.Echo/Echo";
pub const CHUNKS: &str = "/peers.Streams/Chunks";
pub const HOLD: &str = "/peers.Streams/Hold";

const KNOWN: u64 = 1000;
