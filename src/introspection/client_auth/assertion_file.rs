//! Credentials from a file that another program keeps current: workload identity (RFC 7523 section 2.2).

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::ClientAuth;
use super::method::{Kind, Method, id_fault};
use super::provider::{Candidates, Provide, ProvideContext, ProvideFuture, Provided};
use crate::introspection::error::{IntrospectionError, IntrospectionErrorKind};

/// The maximum size of the file.
const MAX_BYTES: u64 = 64 * 1024;

impl ClientAuth {
    /// `private_key_jwt` with an assertion from a file: a workload identity (RFC 7523 section 2.2).
    ///
    /// Kubernetes writes a token of the service account to such a file (a projected volume) and replaces it
    /// before it expires. The webhook of Microsoft Entra Workload ID names the file in
    /// `AZURE_FEDERATED_TOKEN_FILE`. The authorization server must trust the issuer of that token, and the
    /// `aud` of the token must be what it expects. The request has the contents of the file as
    /// `client_assertion`, and `client_id`.
    ///
    /// The file is read for the first introspection request, again in the background at most once per 60 s,
    /// and when the authorization server rejects the assertion, at most once per 5 s. White space around the
    /// assertion is ignored. A file that cannot be read, is larger than 64 KiB or holds no JWT gives 503
    /// `introspection_unavailable`, unless it was read before. A read that takes longer than 30 s, or than
    /// 10 times [`timeout`](crate::Introspection::timeout) if that is longer, counts as failed.
    ///
    /// ```
    /// use tower_bearer::ClientAuth;
    ///
    /// let auth = ClientAuth::assertion_file("orders-api", "/var/run/secrets/tokens/login");
    /// # let _ = auth;
    /// ```
    pub fn assertion_file(client_id: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::provided(AssertionFile { client_id: client_id.into(), path: path.into().into() })
    }
}

struct AssertionFile {
    client_id: String,
    path: Arc<Path>,
}

impl Provide for AssertionFile {
    fn provide(&self, _: ProvideContext) -> ProvideFuture {
        let (id, path) = (self.client_id.clone(), Arc::clone(&self.path));
        Box::pin(async move {
            let read = spawn_blocking(move || read(&path)).await;
            let assertion = read.unwrap_or_else(|error| Err(error.to_string())).map_err(unavailable)?;
            let method = Method::new(Kind::Assertion { id, assertion });
            match method.fault() {
                Some(fault) => Err(unavailable(fault)),
                None => Ok(Provided { candidates: Candidates::one(method), expires_in: None }),
            }
        })
    }

    fn method(&self) -> &'static str {
        "private_key_jwt"
    }

    fn client_id(&self) -> Option<&str> {
        Some(&self.client_id)
    }

    fn fault(&self) -> Option<&'static str> {
        let is_empty = self.path.as_os_str().is_empty();
        id_fault(&self.client_id).or_else(|| is_empty.then_some("the path of the assertion file is empty"))
    }
}

/// Reads the file, up to its maximum size.
///
/// # Errors
/// A text with the path, and without anything from the file.
fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES.saturating_add(1)).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(text.len()).is_ok_and(|len| len > MAX_BYTES) {
        return Err(format!("{}: the file is larger than 64 KiB", path.display()));
    }
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn unavailable(reason: impl Into<Box<dyn Error + Send + Sync>>) -> IntrospectionError {
    IntrospectionError::with_source(IntrospectionErrorKind::CredentialsUnavailable, reason)
}
