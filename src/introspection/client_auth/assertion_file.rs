//! Credentials from a file that another program keeps current: workload identity (RFC 7523 section 2.2).

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::ClientAuth;
use super::method::{Kind, Method, id_fault};
use super::provider::{Candidates, Provide, ProvideContext, ProvideFuture, Provided};
use crate::introspection::error::{IntrospectionError, IntrospectionErrorKind};
use crate::secret_file::SecretFile;

impl ClientAuth {
    /// `private_key_jwt` with an assertion from a file: a workload identity (RFC 7523 section 2.2).
    ///
    /// Kubernetes writes a token of the service account to such a file (a projected volume) and replaces it
    /// before it expires. The webhook of Microsoft Entra Workload ID names the file in
    /// `AZURE_FEDERATED_TOKEN_FILE`. The authorization server must trust the issuer of that token, and the
    /// `aud` of the token must be what it expects. The request has the contents of the file as
    /// `client_assertion`, and `client_id`.
    ///
    /// The first introspection request reads the file. Later ones read it again in the background, at most
    /// once per 60 s, or once per 5 s if the authorization server rejects the assertion. Line breaks at the
    /// end of the file are ignored. A file that cannot be read, is larger than 64 KiB or holds no JWT gives
    /// 503 `introspection_unavailable`, unless it was read before. A read that takes longer than 30 s, or
    /// than 10 times [`timeout`](crate::Introspection::timeout) if that is longer, counts as failed. While it
    /// hangs, no other read begins.
    ///
    /// ```
    /// use tower_bearer::ClientAuth;
    ///
    /// let auth = ClientAuth::assertion_file("orders-api", "/var/run/secrets/tokens/login");
    /// # let _ = auth;
    /// ```
    pub fn assertion_file(client_id: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::provided(AssertionFile { client_id: client_id.into(), file: Arc::new(SecretFile::new(path)) })
    }
}

struct AssertionFile {
    client_id: String,
    file: Arc<SecretFile>,
}

impl Provide for AssertionFile {
    fn provide(&self, _: ProvideContext) -> ProvideFuture {
        let (id, file) = (self.client_id.clone(), Arc::clone(&self.file));
        Box::pin(async move {
            let assertion = file.read().await.map_err(unavailable)?;
            let method = Method::new(Kind::Assertion { id, assertion: Zeroizing::clone(&assertion) });
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
        let is_empty = self.file.path().as_os_str().is_empty();
        id_fault(&self.client_id).or_else(|| is_empty.then_some("the path of the assertion file is empty"))
    }
}

fn unavailable(reason: impl Into<Box<dyn Error + Send + Sync>>) -> IntrospectionError {
    IntrospectionError::with_source(IntrospectionErrorKind::CredentialsUnavailable, reason)
}
