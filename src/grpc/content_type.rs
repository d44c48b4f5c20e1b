//! Content-Type → `application/grpc` [`+proto` | `+json` | `+{custom}`].

/// What the content-type of a request says about its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentType {
    /// `application/grpc`: protobuf, by default.
    Grpc,
    /// `application/grpc+proto`: protobuf, said aloud.
    GrpcProto,
    /// A codec that is not served.
    UnknownCodec,
}

impl ContentType {
    /// Reads a content-type; `None` if it is not gRPC at all, which is answered with HTTP 415.
    ///
    /// Parameters after `;` are ignored; the type is compared without case (RFC 9110, 8.3.1).
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        if value == BASE {
            return Some(Self::Grpc);
        }
        let (base, rest) = value.split_at_checked(BASE.len())?;
        if !base.eq_ignore_ascii_case(BASE) {
            return None;
        }
        let codec = rest
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        match codec {
            b"" => Some(Self::Grpc),
            _ if codec.eq_ignore_ascii_case(b"+proto") => Some(Self::GrpcProto),
            _ if codec.starts_with(b"+") => Some(Self::UnknownCodec),
            _ => None,
        }
    }

    /// The content-type of the response: the request's, without parameters.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Grpc | Self::UnknownCodec => "application/grpc",
            Self::GrpcProto => "application/grpc+proto",
        }
    }
}

const BASE: &[u8] = b"application/grpc";

#[cfg(test)]
mod tests {
    use super::ContentType;

    #[test]
    fn only_grpc_and_its_codecs_are_grpc() {
        let cases: &[(&str, Option<ContentType>)] = &[
            ("application/grpc", Some(ContentType::Grpc)),
            ("Application/GRPC", Some(ContentType::Grpc)),
            ("application/grpc; charset=utf-8", Some(ContentType::Grpc)),
            ("application/grpc;a=b", Some(ContentType::Grpc)),
            ("application/grpc+proto", Some(ContentType::GrpcProto)),
            ("application/grpc+proto;a=b", Some(ContentType::GrpcProto)),
            ("application/grpc+json", Some(ContentType::UnknownCodec)),
            ("application/grpc+foo", Some(ContentType::UnknownCodec)),
            ("application/grpcfoo", None),
            ("application/grpc-web", None),
            ("application/grp", None),
            ("image/jpeg", None),
            ("", None),
        ];
        for (value, expected) in cases {
            assert_eq!(ContentType::parse(value.as_bytes()), *expected, "{value:?}");
        }
    }
}
