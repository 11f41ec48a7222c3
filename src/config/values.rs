//! Values of settings: lists, secrets and files, and the problems that they have.

use std::env;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use zeroize::Zeroizing;

use crate::builder::BearerAuthBuilder;
use crate::crypto::{Algorithm, AlgorithmSet};
use crate::secret_file::read_secret;
use crate::settings::{ConfigError, ConfigProblem};

/// The problems of the settings that could not be read, each with the path of its setting.
#[derive(Default)]
pub(super) struct Problems(Vec<ConfigProblem>);

const FILE_HINT: &str =
    "check the path, what is mounted there, and that the user of this process may read the file";

/// A secret as text. It has no `Debug`, and no error shows it.
#[derive(Clone)]
pub(super) struct Secret(Zeroizing<String>);

/// A secret that may be in the configuration itself, in a file or in an environment variable.
pub(super) struct SecretSources<'c> {
    /// The name of the setting with the text. Those with a file and a variable begin with it.
    pub(super) name: &'static str,
    pub(super) text: Option<&'c Secret>,
    pub(super) file: Option<&'c Path>,
    pub(super) variable: Option<&'c str>,
}

impl Problems {
    /// `reason` is the end of a sentence that starts with the setting, and `hint` the remedy.
    pub(super) fn add(
        &mut self,
        setting: impl Into<String>,
        reason: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (setting, reason, hint) = (setting.into(), reason.into(), hint.into());
        self.0.push(ConfigProblem::SettingUnusable { setting, reason, hint });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    /// The problems, if there are any.
    pub(super) fn into_error(self) -> Result<(), ConfigError> {
        ConfigError::unless_none(self.0)
    }

    /// The builder. If there are problems, those that the builder finds in the other settings join them.
    pub(super) fn into_result(
        mut self,
        builder: BearerAuthBuilder,
    ) -> Result<BearerAuthBuilder, ConfigError> {
        if !self.is_empty() {
            self.0.extend(builder.problems());
        }
        ConfigError::unless_none(self.0)?;
        Ok(builder)
    }
}

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The content of an environment variable.
    pub(super) fn from_variable(setting: &str, name: &str, problems: &mut Problems) -> Option<Self> {
        let problem = match env::var(name) {
            Ok(value) if value.is_empty() => "is empty",
            Ok(value) => return Some(Self::new(value)),
            Err(env::VarError::NotPresent) => "is not set",
            Err(env::VarError::NotUnicode(_)) => "is not UTF-8",
        };
        let hint =
            "set it in the environment of this process, or keep the secret in a file and name the file";
        problems.add(setting, format!("names the variable {name:?}, which {problem}"), hint);
        None
    }

    /// The content of a file, without line breaks at its end.
    pub(super) fn from_file(setting: &str, path: &Path, problems: &mut Problems) -> Option<Self> {
        match read_secret(path) {
            Ok(secret) => Some(Self(secret)),
            Err(fault) => {
                problems.add(setting, format!("names the file {path:?}, which {fault}"), FILE_HINT);
                None
            }
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl SecretSources<'_> {
    /// The name of each setting, and whether it is set.
    pub(super) fn names(&self) -> [(String, bool); 3] {
        [
            (self.name.to_owned(), self.text.is_some()),
            (format!("{}_file", self.name), self.file.is_some()),
            (format!("{}_env", self.name), self.variable.is_some()),
        ]
    }

    pub(super) fn is_set(&self) -> bool {
        self.names().iter().any(|(_, is_set)| *is_set)
    }

    /// The secret from the one place that is set. `path` is that of the table with these settings.
    pub(super) fn read(&self, path: &str, problems: &mut Problems) -> Option<Secret> {
        let name = self.name;
        match (self.text, self.file, self.variable) {
            (Some(secret), None, None) => Some(secret.clone()),
            (None, Some(file), None) => Secret::from_file(&format!("{path}.{name}_file"), file, problems),
            (None, None, Some(variable)) => {
                Secret::from_variable(&format!("{path}.{name}_env"), variable, problems)
            }
            _ => {
                let hint = "write the secret, or name the file or the variable that holds it";
                problems.add(path, format!("needs exactly one of {name}, {name}_file and {name}_env"), hint);
                None
            }
        }
    }
}

/// The algorithm with this name in `alg`.
pub(super) fn parse_algorithm(setting: &str, name: &str, problems: &mut Problems) -> Option<Algorithm> {
    let algorithm = Algorithm::parse(name);
    if algorithm.is_none() {
        let names: Vec<&str> = AlgorithmSet::ALL.iter().map(Algorithm::as_str).collect();
        let hint =
            "use one of these names; HMAC (HS256, HS384, HS512) and unsigned tokens are never accepted";
        problems.add(setting, format!("is {name:?}, which is not one of {}", names.join(", ")), hint);
    }
    algorithm
}

pub(super) fn read_file(setting: &str, path: &Path, problems: &mut Problems) -> Option<String> {
    match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) => {
            let reason = format!("names the file {path:?}, which cannot be read: {error}");
            problems.add(setting, reason, FILE_HINT);
            None
        }
    }
}

/// Sets a duration, if the configuration has one.
pub(super) fn secs<B>(builder: B, secs: Option<u64>, set: impl FnOnce(B, Duration) -> B) -> B {
    match secs {
        Some(secs) => set(builder, Duration::from_secs(secs)),
        None => builder,
    }
}

/// Deserializes a text as a list of one.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_any(OneOrMany)
}

struct OneOrMany;

impl<'de> Visitor<'de> for OneOrMany {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Deserialize::deserialize(de::value::SeqAccessDeserializer::new(list))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

/// Does not quote a secret of another type, as serde's own errors would.
struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret as a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::new(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Secret, E> {
        Ok(Secret::new(text))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Secret, E> {
        Err(not_a_string())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
        Err(not_a_string())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
        Err(not_a_string())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
        Err(not_a_string())
    }
}

fn not_a_string<E: de::Error>() -> E {
    E::custom("a secret must be a string")
}
