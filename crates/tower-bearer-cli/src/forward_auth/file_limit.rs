//! The limit of open files of this process.

/// Files other than connections of proxies, such as connections to authorization servers.
const OTHER_FILES: u64 = 1000;

/// Lets this process open a file for each of `max_connections`.
pub(crate) fn raise(max_connections: usize) {
    let wanted = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit >= wanted => {}
        Ok(limit) => tracing::warn!(
            limit,
            wanted,
            "this process may not open enough files for max_connections; hint: raise the limit of open files \
             (LimitNOFILE in systemd, ulimit -n in a shell), or lower max_connections"
        ),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}
