//! What prost-build generates of codec.proto, and the messages that are measured.

use std::collections::HashMap;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct User {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(string, tag = "3")]
    pub(crate) description: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Batch {
    #[prost(string, tag = "1")]
    pub(crate) tenant: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) records: Vec<Record>,
    #[prost(message, optional, tag = "3")]
    pub(crate) owner: Option<User>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Kind {
    Unspecified = 0,
    Created = 1,
    Changed = 2,
    Deleted = 3,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Record {
    #[prost(fixed64, tag = "1")]
    pub(crate) id: u64,
    #[prost(enumeration = "Kind", tag = "2")]
    pub(crate) kind: i32,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) source: String,
    #[prost(string, tag = "5")]
    pub(crate) trace: String,
    #[prost(double, tag = "6")]
    pub(crate) score: f64,
    #[prost(message, optional, tag = "7")]
    pub(crate) position: Option<Position>,
    #[prost(map = "string, string", tag = "8")]
    pub(crate) labels: HashMap<String, String>,
    #[prost(int32, repeated, tag = "9")]
    pub(crate) samples: Vec<i32>,
    #[prost(bytes = "vec", tag = "10")]
    pub(crate) payload: Vec<u8>,
    #[prost(int64, tag = "11")]
    pub(crate) created: i64,
    #[prost(uint32, tag = "12")]
    pub(crate) attempts: u32,
    #[prost(bool, tag = "13")]
    pub(crate) active: bool,
    #[prost(sint32, optional, tag = "14")]
    pub(crate) delta: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Position {
    #[prost(double, tag = "1")]
    pub(crate) latitude: f64,
    #[prost(double, tag = "2")]
    pub(crate) longitude: f64,
    #[prost(int32, tag = "3")]
    pub(crate) altitude: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Numbers {
    #[prost(int64, repeated, tag = "1")]
    pub(crate) integers: Vec<i64>,
    #[prost(sint32, repeated, tag = "2")]
    pub(crate) deltas: Vec<i32>,
    #[prost(double, repeated, tag = "3")]
    pub(crate) doubles: Vec<f64>,
    #[prost(fixed32, repeated, tag = "4")]
    pub(crate) hashes: Vec<u32>,
}

/// 79 bytes.
pub(crate) fn user() -> User {
    User {
        id: "0192f5a4-8a51-7cc3-b2c3-1b52".to_owned(),
        name: "Ada Lovelace".to_owned(),
        description: "writes the first program, in 1843".to_owned(),
    }
}

/// A tenant, 32 records and a user.
pub(crate) fn batch() -> Batch {
    Batch {
        tenant: "customers-of-the-north".to_owned(),
        records: (0..32).map(record).collect(),
        owner: Some(user()),
    }
}

fn record(at: u64) -> Record {
    let labels = ["region", "zone", "service"];
    let labels = labels.map(|name| (name.to_owned(), format!("{name}-{at}")));
    Record {
        id: 0x1234_5678_9abc_0000 + at,
        kind: 1 + (at % 3) as i32,
        name: format!("projects/north/records/{at}"),
        source: "ingest-gateway-eu-west".to_owned(),
        trace: format!("4bf92f3577b34da6a3ce929d0e0e{at:04}"),
        score: at as f64 * 0.25 + 0.5,
        position: Some(Position {
            latitude: 59.91 + at as f64,
            longitude: 10.75 - at as f64,
            altitude: 12 + at as i32,
        }),
        labels: labels.into(),
        samples: (0..16).map(|sample| sample * 37 + at as i32).collect(),
        payload: vec![at as u8; 64],
        created: 1_700_000_000_000 + at as i64,
        attempts: at as u32 % 5 + 1,
        active: at.is_multiple_of(2),
        delta: at.is_multiple_of(3).then_some(-(at as i32) - 1),
    }
}

/// Four lists of 52,000 elements.
pub(crate) fn numbers() -> Numbers {
    let count = 0..52_000_u64;
    // Varints of one to nine bytes, the short ones most often.
    let varint = |at: u64| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at % 8 * 8)) >> 1;
    Numbers {
        integers: count.clone().map(|at| varint(at) as i64).collect(),
        deltas: count.clone().map(|at| (at % 401) as i32 - 200).collect(),
        doubles: count.clone().map(|at| at as f64 * 0.125).collect(),
        hashes: count
            .map(|at| (at as u32).wrapping_mul(0x85eb_ca6b))
            .collect(),
    }
}
