//! UUIDs in text (RFC 9562 section 4): their digits are the same in upper and lower case.

/// The positions of the hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Whether `text` is a UUID, in any case.
pub(crate) fn is_uuid(text: &str) -> bool {
    let is_in_place = |(position, octet): (usize, u8)| {
        if HYPHENS.contains(&position) { octet == b'-' } else { octet.is_ascii_hexdigit() }
    };
    text.len() == 36 && text.bytes().enumerate().all(is_in_place)
}

/// Whether both texts are equal: byte for byte, or as UUIDs in any case.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one == other || (one.eq_ignore_ascii_case(other) && is_uuid(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uuids_are_equal_in_upper_and_lower_case() {
        let uuid = "0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d";
        for (one, other, expected) in [
            (uuid, uuid, true),
            (uuid, "0A1B2C3D-4E5F-6A7B-8C9D-0E1F2A3B4C5D", true),
            (uuid, "0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5e", false),
            ("acme", "acme", true),
            ("acme", "ACME", false),
            ("0a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d", "0A1B2C3D4E5F6A7B8C9D0E1F2A3B4C5D", false),
            ("{0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c}", "{0A1B2C3D-4e5f-6a7b-8c9d-0e1f2a3b4c}", false),
            ("0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5g", "0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5G", false),
            ("0a1b2c3d-4e5f-6a7b-8c9d0e1f2a3b4c5d-", "0A1b2c3d-4e5f-6a7b-8c9d0e1f2a3b4c5d-", false),
            ("", "", true),
        ] {
            assert_eq!(is_same(one, other), expected, "{one} and {other}");
            assert_eq!(is_same(other, one), expected, "{other} and {one}");
        }
    }

    #[test]
    fn a_uuid_has_32_digits_in_five_groups() {
        for (text, expected) in [
            ("0a1b2c3d-4e5f-6a7b-8c9d-0E1F2A3B4C5D", true),
            ("0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5", false),
            ("0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5dd", false),
            ("0a1b2c3d_4e5f_6a7b_8c9d_0e1f2a3b4c5d", false),
            ("\u{e9}a1b2c3-4e5f-6a7b-8c9d-0e1f2a3b4c5d", false),
            ("", false),
        ] {
            assert_eq!(is_uuid(text), expected, "{text}");
        }
    }
}
