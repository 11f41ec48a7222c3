//! Counts the instructions of every case by gungraun, then holds them to limits.
//!
//! The limits are ratios and differences within one run: what a new compiler or aws-lc moves, it mostly moves on
//! both sides.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use gungraun_runner::runner;
use serde_json::Value;

/// A token not seen before, in relation to the check of its signature alone.
const COLD_TO_RAW_CHECK: f64 = 1.10;

/// What the layer adds where it has seen the token before.
const WARM_OVER_NO_AUTH: f64 = 3_300.0;

/// What it adds where it refuses without a check of the signature.
const NO_HEADER_OVER_NO_AUTH: f64 = 2_000.0;
const GARBAGE_OVER_NO_AUTH: f64 = 8_700.0;
const ALG_NONE_OVER_NO_AUTH: f64 = 7_000.0;

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

/// Prints every figure beside its limit.
fn within_limits() -> Result<bool, Box<dyn Error>> {
    let [cold, warm] = [counted("accepted.cold")?, counted("accepted.warm")?];
    let [raw_check, no_auth] = [counted("raw_check")?, counted("no_auth")?];
    let adds = |case| counted(case).map(|count| count - no_auth);
    let figures = [
        ("cold / raw check", cold / raw_check, COLD_TO_RAW_CHECK),
        ("warm / no auth", warm / no_auth, f64::INFINITY),
        ("warm - no auth", warm - no_auth, WARM_OVER_NO_AUTH),
        ("no header - no auth", adds("refused.no_header")?, NO_HEADER_OVER_NO_AUTH),
        ("8 KB of garbage - no auth", adds("refused.garbage")?, GARBAGE_OVER_NO_AUTH),
        ("alg none - no auth", adds("refused.alg_none")?, ALG_NONE_OVER_NO_AUTH),
    ];
    println!("\n{:25} {:>10} {:>10}", "instructions", "counted", "at most");
    for (name, figure, limit) in figures {
        let digits = if name.contains('/') { 3 } else { 0 };
        let verdict = if figure > limit { "  too many" } else { "" };
        println!("{name:25} {figure:10.digits$} {limit:10.digits$}{verdict}");
    }
    Ok(figures.iter().all(|(_, figure, limit)| figure <= limit))
}

/// The instructions of a case, from what gungraun has written down.
fn counted(case: &str) -> Result<f64, Box<dyn Error>> {
    let home = env::var("GUNGRAUN_HOME").map_err(|_| "no GUNGRAUN_HOME: start benches/instructions/run")?;
    let path = Path::new(&home).join("instructions/layer/requests").join(case).join("summary.json");
    let summary = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let summary: Value = serde_json::from_slice(&summary)?;
    let count = summary.pointer("/profiles/0/data/total/metrics/Ir/values/new").and_then(Value::as_f64);
    count.ok_or_else(|| format!("{}: no count", path.display()).into())
}
