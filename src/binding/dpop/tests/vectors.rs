//! The examples of RFC 9449.

use super::*;

/// RFC 9449 section 4.1, figure 2: a proof for the token endpoint, without `ath`.
const FIGURE_2: &str = "\
    eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklD\
    UkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2\
    R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHB\
    zOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8ig\
    iMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

/// RFC 9449 section 7.1, figures 12 and 13: a proof for a protected resource.
const FIGURE_13: &str = "\
    eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklD\
    UkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2\
    R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM\
    6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8\
    ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1ple\
    mAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";

/// The access token of figure 12.
const FIGURE_12_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";

/// `jkt` in section 6.1.
const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

fn sender() -> Sender {
    let jkt = base64url::decode(JKT).unwrap().try_into().unwrap();
    Sender::new(Confirmation { jkt: Some(jkt), x5t_s256: None }, FIGURE_12_TOKEN)
}

#[test]
fn the_proof_for_a_protected_resource_is_accepted() {
    let (verifier, sender) = (verifier(&Dpop::at("https://resource.example.org")), sender());
    assert_eq!(&*sender.ath, "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    let head = request(Method::GET, "/protectedresource", FIGURE_13);
    assert_accepted("in time", verifier.verify(&head, &sender, at(1_562_262_618)));
    assert_rejected("later", verifier.verify(&head, &sender, at(NOW)), &ProofFault::Expired);
}

#[test]
fn the_proof_for_a_token_endpoint_is_no_proof_for_a_token() {
    let head = request(Method::POST, "/token", FIGURE_2);
    let result =
        verifier(&Dpop::at("https://server.example.com")).verify(&head, &sender(), at(1_562_262_616));
    assert_rejected("no ath", result, &Malformation::Claim("ath").into());
}
