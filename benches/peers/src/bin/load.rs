//! What goes before the load, and beside it:
//!
//! - `request METHOD FILE` writes a request as h2load sends it;
//! - `verify METHOD ADDRESS [CERTIFICATE]` makes a call with tonic's client, and looks at its reply;
//! - `fill ADDRESS COUNT` adds users;
//! - `hold ADDRESS CONNECTIONS STREAMS` makes a call on each connection, opens so many that are not
//!   answered, says "ready", and holds them until standard input ends.

use std::{
    error::Error,
    io::{Read, Write, stdin},
    net::TcpStream,
};

use peers::{
    REPLY,
    service::{
        CHUNK, HOLD,
        generated::{
            peers::{
                Batch, Count, Level, Place, Record, echo_client::EchoClient,
                streams_client::StreamsClient,
            },
            user::{User, UserId, user_info_client::UserInfoClient},
        },
        run,
    },
};
use prost::Message;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

type Anything<T> = Result<T, Box<dyn Error>>;

fn main() -> Anything<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["request", method, file] => Ok(std::fs::write(file, request(method)?)?),
        ["verify", method, address] => run(verify(method, address, None)),
        ["verify", method, address, certificate] => run(verify(method, address, Some(certificate))),
        ["fill", address, count] => run(fill(address, count.parse()?)),
        ["hold", address, connections, streams] => {
            hold(address, connections.parse()?, streams.parse()?)
        }
        _ => Err("see the source for the arguments".into()),
    }
}

fn request(method: &str) -> Anything<Vec<u8>> {
    let message = match method {
        "get" => user_id().encode_to_vec(),
        "add" => user().encode_to_vec(),
        "echo" => batch().encode_to_vec(),
        "chunks" => Count { chunks: CHUNKS }.encode_to_vec(),
        _ => return Err(method.into()),
    };
    Ok(prefixed(&message))
}

async fn verify(method: &str, address: &str, certificate: Option<&str>) -> Anything<()> {
    let channel = connect(address, certificate).await?;
    let right = match method {
        "get" => {
            let reply = UserInfoClient::new(channel).get_user(user_id()).await?;
            reply.into_inner().encode_to_vec() == REPLY
        }
        "add" => {
            let mut client = UserInfoClient::new(channel);
            let id = client.add_user(user()).await?.into_inner();
            let expected = User {
                id: id.value.clone(),
                ..user()
            };
            client.get_user(id).await?.into_inner() == expected
        }
        "echo" => {
            let mut client = EchoClient::new(channel);
            let reply = client.echo(batch()).await?.into_inner();
            reply
                == Batch {
                    sequence: batch().sequence + 1,
                    ..batch()
                }
        }
        "chunks" => {
            let mut client = StreamsClient::new(channel);
            let mut chunks = client.chunks(Count { chunks: CHUNKS }).await?.into_inner();
            let mut count = 0;
            while let Some(chunk) = chunks.message().await? {
                count += u32::from(chunk.data == CHUNK);
            }
            count == CHUNKS
        }
        _ => return Err(method.into()),
    };
    right
        .then_some(())
        .ok_or_else(|| "the reply is wrong".into())
}

async fn connect(address: &str, certificate: Option<&str>) -> Anything<Channel> {
    let Some(certificate) = certificate else {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        return Ok(endpoint.connect().await?);
    };
    let trusted = Certificate::from_pem(std::fs::read(certificate)?);
    let tls = ClientTlsConfig::new()
        .ca_certificate(trusted)
        .domain_name("localhost");
    let endpoint = Endpoint::from_shared(format!("https://{address}"))?;
    Ok(endpoint.tls_config(tls)?.connect().await?)
}

async fn fill(address: &str, count: u32) -> Anything<()> {
    let mut client = UserInfoClient::new(connect(address, None).await?);
    for _ in 0..count {
        client.add_user(user()).await?;
    }
    Ok(())
}

fn hold(address: &str, connections: u32, streams: u32) -> Anything<()> {
    let held: Vec<TcpStream> = (0..connections)
        .map(|_| open(address, streams))
        .collect::<Anything<_>>()?;
    println!("ready");
    stdin().read_to_end(&mut Vec::new())?;
    drop(held);
    Ok(())
}

fn open(address: &str, streams: u32) -> Anything<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let mut output = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    call(
        &mut output,
        1,
        peers::service::GET_USER,
        &prefixed(&user_id().encode_to_vec()),
    );
    for stream in 1..=streams {
        call(&mut output, 2 * stream + 1, HOLD, &prefixed(&[]));
    }
    // The answer to this comes after all of that was read.
    output.extend(b"\0\0\x08\x06\0\0\0\0\0pingpong");
    socket.write_all(&output)?;
    let (mut input, mut buffer) = (Vec::new(), [0; 4096]);
    let has = |input: &[u8], what: &[u8]| input.windows(what.len()).any(|part| part == what);
    while !(has(&input, b"pingpong") && has(&input, b"jack")) {
        match socket.read(&mut buffer)? {
            0 => return Err("the server has closed a connection".into()),
            count => input.extend(&buffer[..count]),
        }
    }
    // The acknowledgement of its settings.
    socket.write_all(b"\0\0\0\x04\x01\0\0\0\0")?;
    Ok(socket)
}

/// HEADERS and DATA of a call, the header fields without index.
fn call(output: &mut Vec<u8>, stream: u32, path: &str, body: &[u8]) {
    let mut block = vec![0x83, 0x86];
    for (name, value) in [
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    for (kind, flags, payload) in [(1, 4, &block[..]), (0, 1, body)] {
        output.extend(&(payload.len() as u32).to_be_bytes()[1..]);
        output.extend([kind, flags]);
        output.extend(stream.to_be_bytes());
        output.extend(payload);
    }
}

fn prefixed(message: &[u8]) -> Vec<u8> {
    [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

fn user_id() -> UserId {
    UserId {
        value: "7".to_owned(),
    }
}

fn user() -> User {
    User {
        id: String::new(),
        name: "jack".to_owned(),
        description: "strong".to_owned(),
    }
}

fn batch() -> Batch {
    Batch {
        tenant: "a tenant of some name".to_owned(),
        sequence: 41,
        records: (0..32).map(record).collect(),
    }
}

fn record(number: u64) -> Record {
    let map = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), format!("{value}-{number}")))
            .collect()
    };
    Record {
        time: 1_764_000_000_000_000_000 + number,
        level: Level::Info.into(),
        source: "checkout.payment".to_owned(),
        host: format!("host-{number}.example.com"),
        text: "the payment was accepted by the bank after two attempts".to_owned(),
        value: 12.5 * number as f64,
        place: Some(Place {
            region: "eu-central".to_owned(),
            zone: "eu-central-1b".to_owned(),
            rack: 17,
        }),
        labels: map(&[("service", "checkout"), ("version", "1.24.3")]),
        resource: map(&[("pod", "checkout-7f9c"), ("node", "node-a")]),
        attributes: map(&[("http.method", "POST"), ("user.tier", "gold")]),
        counts: vec![1, 20, 300, 4000],
        trace: vec![7; 16],
        sampled: true,
        number,
    }
}

/// Of one streaming call.
const CHUNKS: u32 = 10_000;

#[global_allocator]
static ALLOCATOR: peers::MiMalloc = peers::MiMalloc;
