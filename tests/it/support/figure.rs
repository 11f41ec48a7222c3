//! Prints the figures that drills measure, all in the same form.

use std::fmt::Display;

/// Prints a figure as a row of a table: a topic (a number or a word), the quantity, the measured value with
/// its unit, and the limit that the test asserts.
///
/// A test prints before it asserts, so that the figure of a failed test is shown too.
pub(crate) fn figure(item: &str, quantity: impl Display, measured: impl Display, asserted: impl Display) {
    println!("figure {item} | {quantity} | {measured} | {asserted}");
}
