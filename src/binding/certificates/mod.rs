//! Client certificates of mutual TLS (RFC 8705 section 3).
