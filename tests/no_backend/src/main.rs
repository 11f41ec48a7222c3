//! Configures signature verification without a signature backend.

fn main() {
    let auth = tower_bearer::BearerAuth::builder("https://api.example.com")
        .issuer(tower_bearer::Issuer::with_static_jwks("https://issuer.example", "{}"))
        .build();
    println!("{}", auth.is_ok());
}
