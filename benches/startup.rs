//! How long it takes from exec until calls are answered, and what of that the tables of message types
//! take: `cargo bench --bench startup`.

#[path = "../tests/support/reflectd.rs"]
mod program;
#[path = "../tests/support/tools.rs"]
mod tools;

use std::time::{Duration, Instant};

use program::{Running, folder, reflectd};
use reflectd::{Schema, schema::MessageType};

fn main() {
    for store in ["redb", "memory"] {
        print(&format!("{store}: ready"), || start_time(store));
    }
    tables();
}

/// The tables of googleapis' pubsub, of all its types and of those that one method needs: a type's is
/// made when it is first asked for.
fn tables() {
    let Some(root) = tools::googleapis() else {
        return;
    };
    let files =
        ["pubsub.proto", "schema.proto"].map(|file| root.join("google/pubsub/v1").join(file));
    let compiled = || Schema::compile(&files, [root]).expect("googleapis' files compile");
    let all = |schema: &Schema| -> Vec<MessageType> {
        schema.files().flat_map(|file| file.messages()).collect()
    };
    let count = all(&compiled()).len();
    print(&format!("pubsub: tables of {count} types"), || {
        tables_time(&all(&compiled()))
    });
    print("pubsub: tables of one method", || {
        let schema = compiled();
        let method = schema.methods().next().expect("pubsub has methods");
        tables_time(&[method.input().clone(), method.output().clone()])
    });
}

fn tables_time(types: &[MessageType]) -> Duration {
    let start = Instant::now();
    for message_type in types {
        std::hint::black_box(message_type.fields().len());
    }
    start.elapsed()
}

fn print(what: &str, time: impl Fn() -> Duration) {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| time()).collect();
    times.sort();
    let (fastest, median) = (times[0], times[RUNS / 2]);
    println!("{what} after {median:.1?} (median of {RUNS}, fastest {fastest:.1?})");
}

/// From before the program is started until its first line is read, with a new data folder.
fn start_time(store: &str) -> Duration {
    let folder = folder();
    let arguments = ["user.proto", "--listen", "127.0.0.1:0", "--store", store];
    let command = reflectd(folder.path(), &arguments);
    let start = Instant::now();
    let _server = Running::start(command);
    start.elapsed()
}

const RUNS: usize = 21;
