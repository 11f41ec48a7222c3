//! The private key of a development issuer, in a file or in memory: PKCS#8 in PEM, for ES256.
//!
//! Checks: on Unix, that only the owner can read and write the file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tower_bearer::Algorithm;
use tower_bearer::crypto::PrivateKey;

use crate::failure::Failure;

/// The length of a line of base64 in PEM (RFC 7468 section 2).
const LINE_BYTES: usize = 64;

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 1 << 16;

/// A new key, which is stored nowhere.
pub(super) fn generate() -> Result<PrivateKey, Failure> {
    parse(&generate_pem()?, "the generated key")
}

/// The key in this file. Creates the file, readable by its owner alone, if it does not exist.
pub(super) fn read_or_create(path: &Path) -> Result<PrivateKey, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            let pem = generate_pem()?;
            let written = file.write_all(pem.as_bytes());
            written.map_err(|error| Failure::because(format!("cannot write {}", path.display()), error))?;
            parse(&pem, path.display())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_key(path),
        Err(error) => Err(Failure::because(format!("cannot create {}", path.display()), error)),
    }
}

/// The key in this file.
pub(crate) fn read_key(path: &Path) -> Result<PrivateKey, Failure> {
    let cannot_read = |error| Failure::because(format!("cannot read {}", path.display()), error);
    let file = File::open(path).map_err(cannot_read)?;
    check_private(&file, path)?;
    let mut pem = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut pem).map_err(cannot_read)?;
    parse(&pem, path.display())
}

#[cfg(unix)]
fn check_private(file: &File, path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;

    let cannot_read = |error| Failure::because(format!("cannot read {}", path.display()), error);
    let mode = file.metadata().map_err(cannot_read)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(Failure::new(format!("other users may access the private key in {path}: run `chmod 600 {path}`")))
}

#[cfg(not(unix))]
fn check_private(_: &File, _: &Path) -> Result<(), Failure> {
    Ok(())
}

fn parse(pem: &str, source: impl std::fmt::Display) -> Result<PrivateKey, Failure> {
    PrivateKey::from_pkcs8_pem(Algorithm::ES256, pem).map_err(|error| Failure::because(source, error))
}

fn generate_pem() -> Result<String, Failure> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let document = document.map_err(|error| Failure::because("cannot generate a key", error))?;
    let base64 = BASE64_STANDARD.encode(document.as_ref());
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for (index, char) in base64.char_indices() {
        if index != 0 && index % LINE_BYTES == 0 {
            pem.push('\n');
        }
        pem.push(char);
    }
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    Ok(pem)
}
