//! The elements of a packed list, one after another.

use crate::{
    message::{ValueRef, wire},
    schema::layout::FieldType,
};

/// Folds the elements of a packed list; says how many there are.
pub(super) fn fold_packed<'a, B>(
    field_type: FieldType,
    packed: &[u8],
    init: B,
    f: &mut impl FnMut(B, ValueRef<'a>) -> B,
) -> (B, usize) {
    use ValueRef::{Bool, Enum, F32, F64, I32, I64, U32, U64};
    match field_type {
        FieldType::Double => fixed(packed, init, |all, le| f(all, F64(f64::from_le_bytes(le)))),
        FieldType::Fixed64 => fixed(packed, init, |all, le| f(all, U64(u64::from_le_bytes(le)))),
        FieldType::Sfixed64 => fixed(packed, init, |all, le| f(all, I64(i64::from_le_bytes(le)))),
        FieldType::Float => fixed(packed, init, |all, le| f(all, F32(f32::from_le_bytes(le)))),
        FieldType::Fixed32 => fixed(packed, init, |all, le| f(all, U32(u32::from_le_bytes(le)))),
        FieldType::Sfixed32 => fixed(packed, init, |all, le| f(all, I32(i32::from_le_bytes(le)))),
        FieldType::Int32 => wire::fold_varints(packed, init, |all, raw| f(all, I32(raw as i32))),
        FieldType::Uint32 => wire::fold_varints(packed, init, |all, raw| f(all, U32(raw as u32))),
        FieldType::Int64 => wire::fold_varints(packed, init, |all, raw| f(all, I64(raw as i64))),
        FieldType::Uint64 => wire::fold_varints(packed, init, |all, raw| f(all, U64(raw))),
        FieldType::Bool => wire::fold_varints(packed, init, |all, raw| f(all, Bool(raw != 0))),
        FieldType::Enum | FieldType::ClosedEnum => {
            wire::fold_varints(packed, init, |all, raw| f(all, Enum(raw as i32)))
        }
        FieldType::Sint32 => wire::fold_varints(packed, init, |all, raw| {
            f(all, I32(wire::from_varint(FieldType::Sint32, raw) as i32))
        }),
        FieldType::Sint64 => wire::fold_varints(packed, init, |all, raw| {
            f(all, I64(wire::from_varint(FieldType::Sint64, raw) as i64))
        }),
        // No list of them is packed.
        FieldType::String | FieldType::Bytes | FieldType::Message | FieldType::Group => (init, 0),
    }
}

#[inline]
fn fixed<B, const N: usize>(
    packed: &[u8],
    init: B,
    mut f: impl FnMut(B, [u8; N]) -> B,
) -> (B, usize) {
    let (elements, _) = packed.as_chunks::<N>();
    let all = elements.iter().fold(init, |all, element| f(all, *element));
    (all, elements.len())
}
