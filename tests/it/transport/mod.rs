//! The default HTTP client against servers on loopback ports.

mod connections;
mod environment;
mod over_http;
mod public_addresses;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
