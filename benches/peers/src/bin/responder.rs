//! A server that is no limit: it answers every request with the same bytes, and looks at as little of
//! it as HTTP/2 lets it. One thread a connection.
//!
//! It listens where its argument says, else on a free port, and prints the address. What a client reaches
//! against it is the client's own.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

fn main() {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:0");
    let listener = TcpListener::bind(address).expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    for socket in listener.incoming().flatten() {
        std::thread::spawn(move || serve(socket));
    }
}

fn serve(mut socket: TcpStream) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let mut preface = [0; 24];
    socket.read_exact(&mut preface).ok()?;
    // SETTINGS: 1,000 streams; the connection's window as large as it can be.
    socket
        .write_all(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\x03\xe8")
        .ok()?;
    socket
        .write_all(b"\0\0\x04\x08\0\0\0\0\0\x7f\xfe\0\0")
        .ok()?;
    let (mut input, mut start, mut output) = (Vec::with_capacity(1 << 18), 0, Vec::new());
    let mut received = 0_u32;
    loop {
        while let Some((head, payload, next)) = frame(&input, start) {
            start = next;
            let (kind, flags) = (head[3], head[4]);
            match kind {
                DATA => {
                    received += payload.len() as u32;
                    if flags & END != 0 {
                        answer(&mut output, &head[5..9]);
                    }
                }
                HEADERS if flags & END != 0 => answer(&mut output, &head[5..9]),
                SETTINGS if flags & END == 0 => output.extend(b"\0\0\0\x04\x01\0\0\0\0"),
                PING if flags & END == 0 => {
                    output.extend(b"\0\0\x08\x06\x01\0\0\0\0");
                    output.extend(payload);
                }
                _ => {}
            }
        }
        if received > 1 << 24 {
            output.extend(b"\0\0\x04\x08\0\0\0\0\0");
            output.extend(received.to_be_bytes());
            received = 0;
        }
        socket.write_all(&output).ok()?;
        output.clear();
        input.drain(..start);
        start = 0;
        let before = input.len();
        input.resize(before + (1 << 16), 0);
        let count = socket
            .read(&mut input[before..])
            .ok()
            .filter(|count| *count > 0)?;
        input.truncate(before + count);
    }
}

fn frame(input: &[u8], start: usize) -> Option<(&[u8], &[u8], usize)> {
    let head = input.get(start..start + 9)?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let payload = input.get(start + 9..start + 9 + length)?;
    Some((head, payload, start + 9 + length))
}

/// HEADERS, DATA, trailers.
fn answer(output: &mut Vec<u8>, stream: &[u8]) {
    // :status 200; content-type (31 of the static table): application/grpc, not indexed.
    let head = b"\x88\x0f\x10\x10application/grpc";
    let trailers = b"\x00\x0bgrpc-status\x010";
    let mut frame = |kind, flags, parts: &[&[u8]]| {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        output.extend(&(length as u32).to_be_bytes()[1..]);
        output.extend([kind, flags]);
        output.extend(stream);
        parts.iter().for_each(|part| output.extend(*part));
    };
    frame(HEADERS, END_HEADERS, &[head]);
    let prefix = [0, 0, 0, 0, peers::REPLY.len() as u8];
    frame(DATA, 0, &[&prefix, peers::REPLY]);
    frame(HEADERS, END_HEADERS | END, &[trailers]);
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
/// END_STREAM, and ACK.
const END: u8 = 1;
const END_HEADERS: u8 = 4;

#[global_allocator]
static ALLOCATOR: peers::MiMalloc = peers::MiMalloc;
