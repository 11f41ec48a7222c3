//! Messages for whoever makes a mistake in the configuration or with a token: what they name, and what they
//! must not show.

mod configuration;
mod explain;
mod explain_request;
mod fetches;
mod proof_bounds;
mod rejections;
mod sender_rejections;
mod start;
