//! Pairs of hexadecimal digits.

/// The octet with these two digits, in either case. `None` if one of them is no hexadecimal digit.
pub(super) fn octet(high: u8, low: u8) -> Option<u8> {
    let digit = |character| u8::try_from(char::from(character).to_digit(16)?).ok();
    Some(digit(high)? << 4 | digit(low)?)
}
