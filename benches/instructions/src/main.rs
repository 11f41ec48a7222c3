//! Runs gungraun to count the instructions of each case, then checks the limits.
//!
//! Why: the limits are ratios and differences within one run. A new compiler or a new aws-lc mostly changes
//! both sides.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use gungraun_runner::runner;
use serde_json::Value;

/// The upper bound for an uncached token, relative to its signature check.
const UNCACHED_TO_SIGNATURE_CHECK: f64 = 1.11;

/// The upper bound for a DPoP request with a cached token, relative to the signature check of its proof.
const DPOP_TO_SIGNATURE_CHECK: f64 = 1.06;

/// The upper bound for a cached token, in instructions more than the request without the layer.
const CACHED_OVER_NO_LAYER: f64 = 3_300.0;

/// The upper bounds for requests that are rejected without a signature check, in the same unit.
const NO_HEADER_OVER_NO_LAYER: f64 = 2_000.0;
const GARBAGE_OVER_NO_LAYER: f64 = 8_700.0;
const ALG_NONE_OVER_NO_LAYER: f64 = 7_000.0;

fn main() -> ExitCode {
    match runner::run::run().map_err(Into::into).and_then(|()| within_limits()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Prints every figure beside its limit. Returns whether all are within their limits.
fn within_limits() -> Result<bool, Box<dyn Error>> {
    let [uncached, cached] = [counted("accepted.uncached")?, counted("accepted.cached")?];
    let [signature_check, no_layer] = [counted("token_signature")?, counted("no_layer")?];
    let dpop = |algorithm: &str| {
        let request = counted(&format!("accepted.dpop_{algorithm}"))?;
        Ok::<_, Box<dyn Error>>(request / counted(&format!("proof_signature.{algorithm}"))?)
    };
    let excess = |case| counted(case).map(|count| count - no_layer);
    let figures = [
        ("uncached / signature check", uncached / signature_check, UNCACHED_TO_SIGNATURE_CHECK),
        ("DPoP RS256 / signature check", dpop("rs256")?, DPOP_TO_SIGNATURE_CHECK),
        ("DPoP ES256 / signature check", dpop("es256")?, DPOP_TO_SIGNATURE_CHECK),
        ("DPoP Ed25519 / signature check", dpop("ed25519")?, DPOP_TO_SIGNATURE_CHECK),
        ("cached / no layer", cached / no_layer, f64::INFINITY),
        ("cached - no layer", cached - no_layer, CACHED_OVER_NO_LAYER),
        ("no header - no layer", excess("rejected.no_header")?, NO_HEADER_OVER_NO_LAYER),
        ("8 KB of garbage - no layer", excess("rejected.garbage")?, GARBAGE_OVER_NO_LAYER),
        ("alg none - no layer", excess("rejected.alg_none")?, ALG_NONE_OVER_NO_LAYER),
    ];
    println!("\n{:30} {:>10} {:>10}", "instructions", "counted", "limit");
    for (name, figure, limit) in figures {
        let digits = if name.contains('/') { 3 } else { 0 };
        let verdict = if figure > limit { "  exceeded" } else { "" };
        println!("{name:30} {figure:10.digits$} {limit:10.digits$}{verdict}");
    }
    Ok(figures.iter().all(|(_, figure, limit)| figure <= limit))
}

/// Reads the instruction count of a case from gungraun's summary file.
fn counted(case: &str) -> Result<f64, Box<dyn Error>> {
    let home =
        env::var("GUNGRAUN_HOME").map_err(|_| "GUNGRAUN_HOME is not set: run benches/instructions/run")?;
    let path = Path::new(&home).join("instructions/layer/requests").join(case).join("summary.json");
    let summary = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let summary: Value = serde_json::from_slice(&summary)?;
    let count = summary.pointer("/profiles/0/data/total/metrics/Ir/values/new").and_then(Value::as_f64);
    count.ok_or_else(|| format!("{}: no instruction count", path.display()).into())
}
