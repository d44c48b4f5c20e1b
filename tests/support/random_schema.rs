//! Random schemas of two files, one of proto3 and one of proto2 that imports it.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by test programs that each use a part"
)]

use prost_reflect::prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, EnumValueDescriptorProto,
    FieldDescriptorProto, FieldOptions, FileDescriptorProto, FileDescriptorSet, MessageOptions,
    OneofDescriptorProto,
    descriptor_proto::ExtensionRange,
    field_descriptor_proto::{Label, Type},
};
use reflectd::Schema;

use crate::random_message::Random;

/// Messages, enums, extensions and all that fields can be.
pub(crate) fn random_schema(random: &mut Random) -> Schema {
    let three = File::new("three", false).fill(random);
    let two = File::new("two", true).fill(random);
    let set = FileDescriptorSet {
        file: vec![three, two],
    };
    Schema::from_descriptor_set(set.encode_to_vec())
        .unwrap_or_else(|error| panic!("a random schema is none: {error}\n{set:#?}"))
}

struct File {
    proto: FileDescriptorProto,
    proto2: bool,
    /// What fields can be of, proto3's types in proto2 as well.
    messages: Vec<String>,
    enums: Vec<(String, Vec<String>)>,
}

impl File {
    fn new(package: &str, proto2: bool) -> Self {
        let mut file = Self {
            proto: FileDescriptorProto {
                name: Some(format!("{package}.proto")),
                package: Some(package.to_owned()),
                syntax: Some(if proto2 { "proto2" } else { "proto3" }.to_owned()),
                ..Default::default()
            },
            proto2,
            messages: (0..MESSAGES)
                .map(|at| format!(".{package}.M{at}"))
                .collect(),
            enums: Vec::new(),
        };
        if proto2 {
            file.proto.dependency.push("three.proto".to_owned());
            file.messages
                .extend((0..MESSAGES).map(|at| format!(".three.M{at}")));
        }
        file
    }

    fn fill(mut self, random: &mut Random) -> FileDescriptorProto {
        for at in 0..2 {
            self.add_enum(at, random);
        }
        for at in 0..MESSAGES {
            let scope = format!(".{}", self.proto.package());
            let message = Message::new(&self, &scope, &format!("M{at}"), 2).fill(random);
            self.proto.message_type.push(message);
        }
        if self.proto2 {
            for at in 0..random.below(6) as i32 {
                let extension = self.extension(at, random);
                self.proto.extension.push(extension);
            }
        }
        self.proto
    }

    fn add_enum(&mut self, at: usize, random: &mut Random) {
        let package = self.proto.package().to_owned();
        let first = if self.proto2 {
            random.below(5) as i32 - 2
        } else {
            0
        };
        let mut numbers = vec![first, first + 1, first + 7, -100, i32::MAX, i32::MIN];
        numbers.truncate(1 + random.below(6) as usize);
        // One number, two names.
        let alias = random.below(4) == 0;
        numbers.extend(alias.then_some(first));
        let names: Vec<String> = (0..numbers.len())
            .map(|value| format!("{}{at}_{value}", package.to_uppercase()))
            .collect();
        let value = numbers
            .iter()
            .zip(&names)
            .map(|(number, name)| EnumValueDescriptorProto {
                name: Some(name.clone()),
                number: Some(*number),
                options: None,
            });
        self.proto.enum_type.push(EnumDescriptorProto {
            name: Some(format!("E{at}")),
            value: value.collect(),
            options: alias.then(|| EnumOptions {
                allow_alias: Some(true),
                ..Default::default()
            }),
            ..Default::default()
        });
        self.enums.push((format!(".{package}.E{at}"), names));
    }

    fn set_type(&self, field: &mut FieldDescriptorProto, random: &mut Random) {
        match random.below(20) {
            0..3 => {
                field.set_type(Type::Message);
                let at = random.below(self.messages.len() as u64) as usize;
                field.type_name = Some(self.messages[at].clone());
            }
            3..6 => {
                field.set_type(Type::Enum);
                let at = random.below(self.enums.len() as u64) as usize;
                field.type_name = Some(self.enums[at].0.clone());
            }
            _ => field.set_type(SCALARS[random.below(15) as usize]),
        }
    }

    fn set_default(&self, field: &mut FieldDescriptorProto, random: &mut Random) {
        let default = match field.r#type() {
            Type::Message | Type::Group => return,
            Type::Enum => {
                let mut enums = self.enums.iter();
                let (_, names) = enums
                    .find(|(name, _)| name == field.type_name())
                    .expect("fields are of these");
                names.last().expect("an enum has a value").clone()
            }
            Type::Bool => "true".to_owned(),
            Type::Double | Type::Float => {
                ["inf", "-1.5", "nan"][random.below(3) as usize].to_owned()
            }
            Type::String => "été".to_owned(),
            Type::Bytes => "a\\000b".to_owned(),
            Type::Uint32 | Type::Uint64 | Type::Fixed32 | Type::Fixed64 => "7".to_owned(),
            _ => "-7".to_owned(),
        };
        field.default_value = Some(default);
    }

    fn extension(&self, at: i32, random: &mut Random) -> FieldDescriptorProto {
        let mut field = FieldDescriptorProto {
            name: Some(format!("x{at}")),
            number: Some(EXTENSIONS + at),
            extendee: Some(self.messages[random.below(MESSAGES as u64) as usize].clone()),
            ..Default::default()
        };
        field.set_label([Label::Optional, Label::Repeated][random.below(2) as usize]);
        self.set_type(&mut field, random);
        field
    }
}

/// A message type that is made; groups and map entries are types inside it.
struct Message<'a> {
    file: &'a File,
    proto: DescriptorProto,
    full_name: String,
    /// How deep groups may be in it.
    depth: u32,
}

impl<'a> Message<'a> {
    fn new(file: &'a File, scope: &str, name: &str, depth: u32) -> Self {
        Self {
            file,
            proto: DescriptorProto {
                name: Some(name.to_owned()),
                ..Default::default()
            },
            full_name: format!("{scope}.{name}"),
            depth,
        }
    }

    fn fill(mut self, random: &mut Random) -> DescriptorProto {
        if self.file.proto2 {
            self.proto.extension_range.push(ExtensionRange {
                start: Some(EXTENSIONS),
                end: Some(EXTENSIONS + 100),
                options: None,
            });
        }
        let oneofs = random.below(3) as i32;
        for at in 0..oneofs {
            self.proto.oneof_decl.push(oneof(format!("o{at}")));
        }
        // Each oneof has a member at least, and some have more.
        let more = if oneofs > 0 {
            random.below(4) as i32
        } else {
            0
        };
        let members = oneofs + more;
        let mut numbers = Vec::new();
        for at in 0..members + random.below(14) as i32 {
            let member = (at < members).then(|| at % oneofs.max(1));
            let number = number(&mut numbers, random);
            self.add_field(at, number, member, random);
        }
        self.proto
    }

    fn add_field(&mut self, at: i32, number: i32, member: Option<i32>, random: &mut Random) {
        let word = ["x", "Up", "a_b"][random.below(3) as usize];
        let mut field = FieldDescriptorProto {
            name: Some(format!("f{at}_{word}")),
            number: Some(number),
            oneof_index: member,
            ..Default::default()
        };
        field.set_label(Label::Optional);
        self.file.set_type(&mut field, random);
        if member.is_none() {
            self.set_shape(&mut field, random);
        }
        let scalar = field.type_name.is_none();
        if self.file.proto2 && self.depth > 0 && scalar && random.below(6) == 0 {
            self.make_group(&mut field, at, random);
        }
        let plain = member.is_none() && field.label() == Label::Optional;
        if self.file.proto2 && plain && random.below(3) == 0 {
            self.file.set_default(&mut field, random);
        }
        self.proto.field.push(field);
    }

    /// Singular with or without presence, required, repeated in each form, or a map.
    fn set_shape(&mut self, field: &mut FieldDescriptorProto, random: &mut Random) {
        match random.below(10) {
            0..3 => {
                field.set_label(Label::Repeated);
                let packed = [None, Some(true), Some(false)][random.below(3) as usize];
                let packed = packed.filter(|_| is_packable(field.r#type()));
                field.options = packed.map(|packed| FieldOptions {
                    packed: Some(packed),
                    ..Default::default()
                });
            }
            3..5 => self.make_map(field, random),
            5 if self.file.proto2 => field.set_label(Label::Required),
            5..7 if !self.file.proto2 => {
                field.proto3_optional = Some(true);
                field.oneof_index = Some(self.proto.oneof_decl.len() as i32);
                let name = format!("_{}", field.name());
                self.proto.oneof_decl.push(oneof(name));
            }
            _ => {}
        }
    }

    fn make_group(&mut self, field: &mut FieldDescriptorProto, at: i32, random: &mut Random) {
        let name = format!("G{at}");
        field.name = Some(name.to_lowercase());
        field.set_type(Type::Group);
        field.options = None;
        field.type_name = Some(format!("{}.{name}", self.full_name));
        let group = Message::new(self.file, &self.full_name, &name, self.depth - 1);
        self.proto.nested_type.push(group.fill(random));
    }

    fn make_map(&mut self, field: &mut FieldDescriptorProto, random: &mut Random) {
        // As the compiler names it: what stands after an underscore is upper case.
        let words = field.name().split('_');
        let name: String = words
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect();
        let name = format!("{name}Entry");
        let mut key = FieldDescriptorProto {
            name: Some("key".to_owned()),
            number: Some(1),
            ..Default::default()
        };
        key.set_label(Label::Optional);
        key.set_type(KEYS[random.below(12) as usize]);
        let value = FieldDescriptorProto {
            name: Some("value".to_owned()),
            number: Some(2),
            ..field.clone()
        };
        self.proto.nested_type.push(DescriptorProto {
            name: Some(name.clone()),
            field: vec![key, value],
            options: Some(MessageOptions {
                map_entry: Some(true),
                ..Default::default()
            }),
            ..Default::default()
        });
        field.set_label(Label::Repeated);
        field.set_type(Type::Message);
        field.type_name = Some(format!("{}.{name}", self.full_name));
    }
}

/// One that none of the message's fields has, of one to five bytes on the wire.
fn number(taken: &mut Vec<i32>, random: &mut Random) -> i32 {
    loop {
        let number = match random.below(8) {
            0..5 => 1 + random.below(40) as i32,
            5 | 6 => 100 + random.below(800) as i32,
            _ => 20_000 + random.below((1 << 29) - 20_001) as i32,
        };
        if !taken.contains(&number) {
            taken.push(number);
            return number;
        }
    }
}

fn oneof(name: String) -> OneofDescriptorProto {
    OneofDescriptorProto {
        name: Some(name),
        options: None,
    }
}

fn is_packable(kind: Type) -> bool {
    !matches!(
        kind,
        Type::String | Type::Bytes | Type::Message | Type::Group
    )
}

const MESSAGES: usize = 3;

/// Where the numbers of extensions begin.
const EXTENSIONS: i32 = 1000;

const SCALARS: [Type; 15] = [
    Type::Double,
    Type::Float,
    Type::Int64,
    Type::Uint64,
    Type::Int32,
    Type::Fixed64,
    Type::Fixed32,
    Type::Bool,
    Type::String,
    Type::Bytes,
    Type::Uint32,
    Type::Sfixed32,
    Type::Sfixed64,
    Type::Sint32,
    Type::Sint64,
];

const KEYS: [Type; 12] = [
    Type::Int64,
    Type::Uint64,
    Type::Int32,
    Type::Fixed64,
    Type::Fixed32,
    Type::Bool,
    Type::String,
    Type::Uint32,
    Type::Sfixed32,
    Type::Sfixed64,
    Type::Sint32,
    Type::Sint64,
];
