//! Asks for signatures to be checked where nothing can check them.

fn main() {
    let auth = tower_bearer::BearerAuth::builder("https://api.example.com")
        .issuer(tower_bearer::Issuer::with_static_jwks("https://issuer.example", "{}"))
        .build();
    println!("{}", auth.is_ok());
}
