//! Time: the wall clock that token dates are compared with, and the monotonic clock for everything else.

mod clock;
mod moment;
mod monotonic;
mod numeric_date;
mod serialize;

pub use clock::{Clock, SystemClock};
pub(crate) use moment::Moment;
pub(crate) use monotonic::{later, now};
pub(crate) use numeric_date::NumericDate;
pub(crate) use serialize::{serialize_secs, serialize_unix_time};
