//! The text that `dev-issuer` prints when it is running.

use std::path::Path;

use tower_bearer::testing::TestIssuer;

use super::LISTEN;

pub(super) fn banner(issuer: &TestIssuer, audience: &str, keys: Option<&Path>) -> String {
    let identifier = issuer.identifier();
    let keys = match keys {
        Some(path) => format!("kept in {}", path.display()),
        None => "change when this server restarts (--keys FILE keeps them)".to_owned(),
    };
    let mint_flag = match identifier.strip_prefix("http://") {
        Some(LISTEN) => String::new(),
        _ => format!(" --issuer {identifier}"),
    };
    format!(
        "Development authorization server. It issues any token to any program on this machine.\n\
         \n\
         issuer         {identifier}\n\
         metadata       {identifier}/.well-known/openid-configuration\n\
         key set        {}\n\
         token          {}\n\
         introspection  {}\n\
         revocation     {}\n\
         client         {} with the secret {}\n\
         keys           {keys}\n\
         \n\
         in your API    BearerAuth::builder(\"{audience}\").issuer(Issuer::discover(\"{identifier}\"))\n\
         a token        tower-bearer mint{mint_flag} --sub alice --scope \"orders:read\"\n",
        issuer.jwks_url(),
        issuer.token_url(),
        issuer.introspection_url(),
        issuer.revocation_url(),
        TestIssuer::CLIENT_ID,
        TestIssuer::CLIENT_SECRET,
    )
}
