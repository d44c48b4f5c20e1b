//! What is read of a message.

use std::collections::HashMap;

use prost_reflect::{
    DynamicMessage, MapKey as ReflectedKey, ReflectMessage as _, Value as Reflected,
};

use crate::{
    message::{MapKey, MessageRef, ValueRef},
    schema::Field,
};

/// Every getter gives what prost-reflect gives.
pub(super) fn assert_reads(ours: MessageRef<'_>, theirs: &DynamicMessage) {
    let message_type = ours.message_type();
    assert_eq!(*message_type.descriptor(), theirs.descriptor());
    let mut set = Vec::new();
    for field in message_type.fields() {
        let descriptor = field.descriptor();
        let has = theirs.has_field(descriptor);
        let place = field.full_name();
        assert_eq!(
            ours.has(&field).expect("it is a field of the type"),
            has,
            "{place}"
        );
        let value = ours.get(&field).expect("it is a field of the type");
        match value {
            // One that is not set reads as an empty one, and so do all inside it, without end.
            ValueRef::Message(empty) if !has => assert_eq!(empty.fields().count(), 0, "{place}"),
            value => assert_value(value, &theirs.get_field(descriptor), place),
        }
        assert_typed(ours, &field, theirs);
        if has {
            set.push(field);
        }
    }
    let listed: Vec<Field> = ours.fields().map(|(field, _)| field.clone()).collect();
    let listed: Vec<&Field> = listed
        .iter()
        .filter(|field| ours.has(*field).is_ok_and(|has| has))
        .collect();
    assert_eq!(
        listed,
        set.iter().collect::<Vec<_>>(),
        "the fields that are set"
    );
    // Only those that have nothing inside them: twice at each level would be without end.
    for (field, value) in ours.fields().filter(|(field, _)| field.is_scalar()) {
        let theirs = theirs.get_field(field.descriptor());
        assert_value(value, &theirs, field.full_name());
    }
    for oneof in message_type.oneofs() {
        let mut members = oneof.fields();
        let member = members.find(|member| theirs.has_field(member.descriptor()));
        let which = ours.which_oneof(oneof.name()).expect("the type has it");
        assert_eq!(which, member.as_ref(), "{}", oneof.name());
    }
}

/// The getters of one type, and by name and number.
fn assert_typed(ours: MessageRef<'_>, field: &Field, theirs: &DynamicMessage) {
    let place = field.full_name();
    let value = theirs.get_field(field.descriptor());
    let (name, number) = (field.name(), field.number());
    match &*value {
        Reflected::String(text) => {
            assert_eq!(ours.str(name).ok(), Some(text.as_str()), "{place}");
        }
        Reflected::Bytes(bytes) => assert_eq!(ours.bytes(number).ok(), Some(&bytes[..]), "{place}"),
        Reflected::Bool(value) => assert_eq!(ours.bool(name).ok(), Some(*value), "{place}"),
        Reflected::I32(value) => assert_eq!(ours.i32(number).ok(), Some(*value), "{place}"),
        Reflected::I64(value) => assert_eq!(ours.i64(name).ok(), Some(*value), "{place}"),
        Reflected::U32(value) => assert_eq!(ours.u32(number).ok(), Some(*value), "{place}"),
        Reflected::U64(value) => assert_eq!(ours.u64(name).ok(), Some(*value), "{place}"),
        Reflected::EnumNumber(value) => {
            assert_eq!(ours.enum_number(number).ok(), Some(*value), "{place}");
        }
        Reflected::Message(_) => {
            let message = ours.message(name).expect("it is a message");
            let has = theirs.has_field(field.descriptor());
            assert_eq!(message.is_some(), has, "{place}");
        }
        Reflected::List(items) => {
            let list = ours.list(number).expect("it is a list");
            assert_eq!(list.len(), items.len(), "{place}");
        }
        Reflected::Map(entries) => {
            let map = ours.map(name).expect("it is a map");
            assert_eq!(map.len(), entries.len(), "{place}");
        }
        Reflected::F32(value) => {
            let read = ours.f32(name).map(f32::to_bits).ok();
            assert_eq!(read, Some(value.to_bits()), "{place}");
        }
        Reflected::F64(value) => {
            let read = ours.f64(number).map(f64::to_bits).ok();
            assert_eq!(read, Some(value.to_bits()), "{place}");
        }
    }
}

fn assert_value(ours: ValueRef<'_>, theirs: &Reflected, place: &str) {
    match (ours, theirs) {
        (ValueRef::Bool(ours), Reflected::Bool(theirs)) => assert_eq!(ours, *theirs, "{place}"),
        (ValueRef::I32(ours), Reflected::I32(theirs))
        | (ValueRef::Enum(ours), Reflected::EnumNumber(theirs)) => {
            assert_eq!(ours, *theirs, "{place}");
        }
        (ValueRef::I64(ours), Reflected::I64(theirs)) => assert_eq!(ours, *theirs, "{place}"),
        (ValueRef::U32(ours), Reflected::U32(theirs)) => assert_eq!(ours, *theirs, "{place}"),
        (ValueRef::U64(ours), Reflected::U64(theirs)) => assert_eq!(ours, *theirs, "{place}"),
        (ValueRef::F32(ours), Reflected::F32(theirs)) => {
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{place}");
        }
        (ValueRef::F64(ours), Reflected::F64(theirs)) => {
            assert_eq!(ours.to_bits(), theirs.to_bits(), "{place}");
        }
        (ValueRef::Str(ours), Reflected::String(theirs)) => assert_eq!(ours, theirs, "{place}"),
        (ValueRef::Bytes(ours), Reflected::Bytes(theirs)) => assert_eq!(ours, theirs, "{place}"),
        (ValueRef::Message(ours), Reflected::Message(theirs)) => assert_reads(ours, theirs),
        (ValueRef::List(ours), Reflected::List(theirs)) => {
            assert_eq!(ours.iter().len(), theirs.len(), "{place}");
            for (at, (item, theirs)) in ours.iter().zip(theirs).enumerate() {
                assert_value(item, theirs, place);
                // The same by its index; messages were looked through by now.
                match ours.get(at) {
                    Some(ValueRef::Message(_)) => {}
                    Some(item) => assert_value(item, theirs, place),
                    None => panic!("{place} has no element {at}"),
                }
            }
            assert!(ours.get(theirs.len()).is_none(), "{place} ends");
        }
        (ValueRef::Map(ours), Reflected::Map(theirs)) => {
            let theirs = theirs.iter().map(|(key, value)| (map_key(key), value));
            let mut theirs: HashMap<MapKey, &Reflected> = theirs.collect();
            for (key, value) in ours.iter() {
                let key = key.to_owned();
                let theirs = theirs.remove(&key);
                let theirs = theirs.unwrap_or_else(|| panic!("{place} has {key:?}"));
                assert_value(value, theirs, place);
                assert!(
                    ours.get(key).is_some(),
                    "{place} has all keys that it lists"
                );
            }
            assert!(theirs.is_empty(), "{place} has not {theirs:?}");
        }
        (ours, theirs) => panic!("{place}: {ours:?} is no {theirs:?}"),
    }
}

fn map_key(theirs: &ReflectedKey) -> MapKey {
    match theirs {
        ReflectedKey::Bool(key) => MapKey::Bool(*key),
        ReflectedKey::I32(key) => MapKey::I32(*key),
        ReflectedKey::I64(key) => MapKey::I64(*key),
        ReflectedKey::U32(key) => MapKey::U32(*key),
        ReflectedKey::U64(key) => MapKey::U64(*key),
        ReflectedKey::String(key) => MapKey::String(key.clone()),
    }
}
