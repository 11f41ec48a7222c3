//! Stateless nonces for proofs: each is an HMAC of the minute it was issued in (RFC 9449 sections 8 and 9).
//!
//! Checks: the nonce is one of the last three minutes, by the clock of the server.
//! Does not check: whether the nonce was used before. Clients reuse a nonce until they get the next one; the
//! replay store rejects the second use of a proof.
//!
//! Why without state: the nonce need not be stored, and all instances with one secret accept the nonces of
//! each other. Nobody can predict the nonce of a coming minute without the secret, so a proof with a nonce
//! was signed after the nonce was issued, whatever the clock of the client says.

use std::fmt;
use std::hint::black_box;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::binding::SettingFault;
use crate::crypto::{self, HmacAlgorithm};
use crate::encoding::base64url;
use crate::time::NumericDate;

/// How long one nonce is issued, in seconds.
const STEP_SECS: u64 = 60;

/// The number of steps in which a nonce is accepted: the one that it is issued in, and the next two.
const ACCEPTED_STEPS: u64 = 3;

/// The longest time for which a nonce is accepted.
pub(super) const MAX_NONCE_AGE: Duration = Duration::from_secs(ACCEPTED_STEPS * STEP_SECS);

/// The length of the truncated HMAC in bytes.
const NONCE_BYTES: usize = 16;

/// The minimum length of a secret in bytes: that of the hash (RFC 2104 section 3).
const MIN_SECRET_BYTES: usize = 32;

/// Separates the nonces from everything else that a secret may be used for.
const DOMAIN: &[u8] = b"tower-bearer dpop nonce";

type Secret = Arc<Zeroizing<Vec<u8>>>;

/// Nonces of this API for DPoP proofs (RFC 9449 section 9): an argument of
/// [`Dpop::nonces`](super::Dpop::nonces).
///
/// A proof without a valid nonce is rejected as `proof_nonce_required`: 401 `use_dpop_nonce` with a nonce in
/// `DPoP-Nonce`. The client signs a new proof and repeats the request. It then uses the nonce until a
/// response brings another one.
///
/// Nonces cost each client one more request at the start. They prevent two attacks:
///
/// - **Proofs signed in advance.** An attacker who can use a client's key for a moment could sign proofs for
///   later, but does not know the nonces of later.
/// - **Replay after a restart.** A restart empties the in-process replay store. A new process with a random
///   secret accepts no earlier nonce.
///
/// Clients with a wrong clock work too, because the nonce shows when the proof was signed.
///
/// Each nonce is issued for 60 s, and accepted for 120 s more.
///
/// ```
/// use tower_bearer::dpop::Nonces;
///
/// # fn secret_from_vault() -> Vec<u8> { vec![7; 32] }
/// // One process.
/// let nonces = Nonces::required();
///
/// // Several instances behind a load balancer accept the nonces of each other.
/// let nonces = Nonces::required().secret(secret_from_vault());
/// # let _ = nonces;
/// ```
#[derive(Clone)]
#[must_use]
pub struct Nonces {
    /// `None`: the secret of the process.
    secret: Option<Secret>,
}

impl Nonces {
    /// Requires a nonce in each proof, with a random secret that all nonces of this process share.
    ///
    /// After a restart, the next request of each client is rejected with `use_dpop_nonce`, and its repetition
    /// succeeds. Behind a load balancer, set a [`secret`](Self::secret): otherwise this happens whenever a
    /// client reaches another instance.
    pub fn required() -> Self {
        Self { secret: None }
    }

    /// Sets the secret that nonces are made from, so that several instances accept the nonces of each other.
    /// Default: a random secret of the process.
    ///
    /// At least 32 random bytes; fewer are a [`ConfigError`](crate::ConfigError). Anyone with the secret can
    /// predict nonces: use it for nothing else. The memory of the secret is zeroed on drop. After a change
    /// of the secret, each client repeats one request. Synchronize the clocks of the instances: an instance
    /// rejects nonces of a minute that its own clock has not reached.
    pub fn secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secret = Some(Arc::new(Zeroizing::new(secret.into())));
        self
    }

    /// Builds the issuer of the nonces. `None` after it has pushed to `faults`.
    pub(crate) fn build(&self, faults: &mut Vec<SettingFault>) -> Option<NonceIssuer> {
        let secret = match &self.secret {
            Some(secret) => checked(secret),
            None => process_secret(),
        };
        secret.map_err(|fault| faults.push(fault)).ok().map(NonceIssuer::new)
    }
}

/// Shows whether there is a secret, and nothing of it.
impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.secret.is_some() { "[redacted]" } else { "random" };
        f.debug_struct("Nonces").field("secret", &secret).finish()
    }
}

fn checked(secret: &Secret) -> Result<Secret, SettingFault> {
    if secret.len() >= MIN_SECRET_BYTES {
        return Ok(Arc::clone(secret));
    }
    Err(SettingFault {
        setting: "Nonces::secret",
        value: format!("a secret of {} bytes", secret.len()),
        reason: "is shorter than 32 bytes",
    })
}

/// The random secret of the process. One for all layers, because a client has one nonce per origin.
fn process_secret() -> Result<Secret, SettingFault> {
    static SECRET: OnceLock<Secret> = OnceLock::new();
    if let Some(secret) = SECRET.get() {
        return Ok(Arc::clone(secret));
    }
    let random = crypto::random_text(MIN_SECRET_BYTES).ok_or_else(|| SettingFault {
        setting: "Nonces::required",
        value: "a random secret".to_owned(),
        reason: "cannot be generated: the random number generator of the operating system failed",
    })?;
    Ok(Arc::clone(SECRET.get_or_init(|| Arc::new(Zeroizing::new(random.into_bytes())))))
}

/// Issues nonces and accepts them later.
pub(crate) struct NonceIssuer {
    secret: Secret,
    /// The nonces of the latest step that was needed, so that a request computes no HMAC.
    recent: ArcSwapOption<Recent>,
}

/// The nonces that are accepted during one step, the newest one first.
struct Recent {
    step: u64,
    nonces: [HeaderValue; 3],
}

/// A nonce that is accepted now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AcceptedNonce {
    /// The first moment at which it is no longer accepted.
    pub(crate) expires_at: NumericDate,
    /// Whether it is the one that [`NonceIssuer::current`] issues now. If not, the response should carry the
    /// current one, so that the client does not wait until its nonce has expired.
    pub(crate) is_current: bool,
}

impl NonceIssuer {
    fn new(secret: Secret) -> Self {
        Self { secret, recent: ArcSwapOption::empty() }
    }

    /// The value of `DPoP-Nonce` for a response at `now`.
    pub(crate) fn current(&self, now: NumericDate) -> HeaderValue {
        self.with_recent(now, |recent| {
            let [current, ..] = &recent.nonces;
            current.clone()
        })
    }

    /// Checks the `nonce` of a proof at `now`. `None` if it is too old, of a coming step, or not from here.
    pub(crate) fn check(&self, nonce: &str, now: NumericDate) -> Option<AcceptedNonce> {
        self.with_recent(now, |recent| recent.accept(nonce))
    }

    /// Lock-free, and without an HMAC if the step is that of the previous call. The clock may go back.
    fn with_recent<T>(&self, now: NumericDate, read: impl FnOnce(&Recent) -> T) -> T {
        let step = now.as_secs() / STEP_SECS;
        let cached = self.recent.load();
        if let Some(recent) = cached.as_ref().filter(|recent| recent.step == step) {
            return read(recent);
        }
        let recent = Arc::new(Recent::of_step(step, &self.secret));
        self.recent.store(Some(Arc::clone(&recent)));
        read(&recent)
    }
}

impl fmt::Debug for NonceIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NonceIssuer").finish_non_exhaustive()
    }
}

impl Recent {
    fn of_step(step: u64, secret: &[u8]) -> Self {
        let nonces = [0, 1, 2].map(|age| nonce(step.saturating_sub(age), secret));
        Self { step, nonces }
    }

    /// Compares with every nonce, so that the time does not depend on which one it is.
    fn accept(&self, nonce: &str) -> Option<AcceptedNonce> {
        let mut age = None;
        for (steps, accepted) in (0_u64..).zip(&self.nonces) {
            let is_accepted = is_equal(accepted.as_bytes(), nonce.as_bytes());
            if is_accepted && age.is_none() {
                age = Some(steps);
            }
        }
        let age = age?;
        let end = self.step.saturating_sub(age).saturating_add(ACCEPTED_STEPS).saturating_mul(STEP_SECS);
        Some(AcceptedNonce { expires_at: NumericDate::from_secs(end)?, is_current: age == 0 })
    }
}

/// The nonce of one step: the truncated HMAC of the number of the step.
#[expect(clippy::expect_used, reason = "a build without a backend has no settings, and base64url is ASCII")]
fn nonce(step: u64, secret: &[u8]) -> HeaderValue {
    let message = [DOMAIN, &step.to_be_bytes()].concat();
    let mac = crypto::hmac(HmacAlgorithm::HS256, secret, &message);
    let truncated = mac.as_deref().and_then(|mac| mac.get(..NONCE_BYTES));
    let text = base64url::encode(truncated.expect("HMAC-SHA-256 has 32 bytes"));
    HeaderValue::from_str(&text).expect("base64url is a header value")
}

/// Compares without stopping at the first difference, so that the time does not tell where it is.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let difference = one.iter().zip(other).fold(0, |difference, (a, b)| black_box(difference | (a ^ b)));
    one.len() == other.len() && difference == 0
}

#[cfg(all(test, any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    /// The start of a step.
    const START: u64 = 1_700_000_040;

    fn at(secs: u64) -> NumericDate {
        NumericDate::from_secs(secs).unwrap()
    }

    fn issuer(secret: impl Into<Vec<u8>>) -> NonceIssuer {
        let mut faults = Vec::new();
        let issuer = Nonces::required().secret(secret).build(&mut faults);
        assert_eq!(faults, []);
        issuer.unwrap()
    }

    fn text(nonce: &HeaderValue) -> &str {
        nonce.to_str().unwrap()
    }

    #[test]
    fn a_nonce_is_accepted_in_its_step_and_the_next_two_and_never_before() {
        let issuer = issuer(SECRET);
        let nonce = issuer.current(at(START));
        let accepted = |is_current| Some(AcceptedNonce { expires_at: at(START + 180), is_current });
        for (secs, expected) in [
            (START - 1, None),
            (START, accepted(true)),
            (START + 59, accepted(true)),
            (START + 60, accepted(false)),
            (START + 179, accepted(false)),
            (START + 180, None),
            (START + 86_400, None),
        ] {
            assert_eq!(issuer.check(text(&nonce), at(secs)), expected, "{secs}");
        }
    }

    #[test]
    fn a_clock_that_goes_back_and_forth_changes_no_nonce() {
        let issuer = issuer(SECRET);
        let [early, late] = [START, START + 60].map(|secs| issuer.current(at(secs)));
        for _ in 0..3 {
            assert_eq!(issuer.current(at(START + 60)), late);
            assert_eq!(issuer.current(at(START)), early);
            assert!(issuer.check(text(&late), at(START)).is_none(), "of a coming step");
            assert!(issuer.check(text(&early), at(START + 60)).is_some());
        }
        for secs in [0, 59, 60, 179, 253_402_300_799] {
            assert_eq!(issuer.current(at(secs)), issuer.current(at(secs)), "{secs}");
        }
    }

    #[test]
    fn other_texts_are_not_accepted() {
        let (issuer, now) = (issuer(SECRET), at(START));
        let nonce = issuer.current(now);
        let nonce = text(&nonce);
        let changed = |byte: usize| {
            let mut bytes = nonce.as_bytes().to_vec();
            bytes[byte] ^= 1;
            String::from_utf8(bytes).unwrap()
        };
        let mut others: Vec<String> = (0..nonce.len()).map(changed).collect();
        others.extend(
            ["", "A", &nonce[1..], &nonce[..21], &format!("{nonce}A"), &format!("{nonce}==")]
                .map(str::to_owned),
        );
        others.push(nonce.to_ascii_lowercase());
        for other in others {
            assert_eq!(issuer.check(&other, now), None, "{other}");
        }
        assert!(issuer.check(nonce, now).is_some());
    }

    #[test]
    fn instances_with_the_same_secret_accept_the_nonces_of_each_other_and_no_others() {
        let (one, same, other) = (issuer(SECRET), issuer(SECRET), issuer([8; 32]));
        let nonce = one.current(at(START));
        assert!(same.check(text(&nonce), at(START + 60)).is_some());
        assert!(other.check(text(&nonce), at(START)).is_none());
    }

    #[test]
    fn all_layers_of_a_process_have_the_same_random_secret() {
        let [one, other] = [(); 2].map(|()| Nonces::required().build(&mut Vec::new()).unwrap());
        assert_eq!(one.current(at(START)), other.current(at(START)));
        assert_ne!(one.current(at(START)), issuer(SECRET).current(at(START)));
    }

    /// Computed with Python's `hmac`. Instances of different releases share a secret, so it never changes.
    #[test]
    fn the_nonce_is_the_truncated_hmac_of_the_step() {
        let nonce = issuer(SECRET).current(at(START));
        assert_eq!(text(&nonce), "W-Dk59BU86ioURx_-hU_Cw");
    }

    #[test]
    fn a_secret_of_less_than_32_bytes_is_a_fault_that_does_not_show_it() {
        for len in [0, 1, 31] {
            let mut faults = Vec::new();
            assert!(Nonces::required().secret(vec![b'x'; len]).build(&mut faults).is_none());
            let [fault] = &faults[..] else { panic!("{faults:?}") };
            assert_eq!(fault.value, format!("a secret of {len} bytes"));
        }
        assert!(Nonces::required().secret([b'x'; 32]).build(&mut Vec::new()).is_some());
    }

    #[test]
    fn debug_output_has_nothing_of_the_secret() {
        let nonces = Nonces::required().secret(*b"correct horse battery staple 123");
        assert_eq!(format!("{nonces:?}"), r#"Nonces { secret: "[redacted]" }"#);
        assert_eq!(format!("{:?}", Nonces::required()), r#"Nonces { secret: "random" }"#);
        assert_eq!(format!("{:?}", nonces.build(&mut Vec::new()).unwrap()), "NonceIssuer { .. }");
    }
}
