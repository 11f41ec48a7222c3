//! Hides credentials from `Debug`.

use http::{HeaderMap, HeaderName};

/// Marks every line of this field as sensitive, so that `Debug` does not show its value.
pub(crate) fn hide_lines(headers: &mut HeaderMap, name: &HeaderName) {
    // Fast path: no field has several lines.
    if headers.keys_len() == headers.len() {
        if let Some(line) = headers.get_mut(name) {
            line.set_sensitive(true);
        }
        return;
    }
    let lines = headers.iter_mut().filter(|(of, _)| *of == name);
    lines.for_each(|(_, line)| line.set_sensitive(true));
}
