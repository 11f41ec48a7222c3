//! Runs the recipes with nginx, Caddy and HAProxy in front of an upstream. A test passes without running if
//! its proxy is not installed, and prints `did not run`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tower_bearer::testing::{Fault, TestIssuer};

use super::API;
use super::support::{ForwardAuth, Reply, send};

#[tokio::test(flavor = "multi_thread")]
async fn nginx_follows_the_recipe() {
    run("nginx", "original", "nginx_status = true", &["nginx.conf"], |folder| {
        let server = fs::read_to_string(folder.join("nginx.conf")).unwrap();
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {name};\n"))
            .collect();
        let config = format!(
            "daemon off; pid pid; error_log stderr; events {{}}\nhttp {{ access_log off; {paths} {server} }}"
        );
        fs::write(folder.join("nginx.conf"), config).unwrap();
        vec!["-e".into(), "stderr".into(), "-p".into(), folder.into(), "-c".into(), folder.join("nginx.conf")]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy_follows_the_recipe() {
    run("caddy", "forwarded", "", &["Caddyfile"], |folder| {
        let config = fs::read_to_string(folder.join("Caddyfile")).unwrap();
        fs::write(folder.join("Caddyfile"), format!("{{\n\tadmin off\n}}\n{config}")).unwrap();
        vec![
            "run".into(),
            "--config".into(),
            folder.join("Caddyfile"),
            "--adapter".into(),
            "caddyfile".into(),
        ]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_follows_the_recipe() {
    run("haproxy", "forwarded", "", &["haproxy.cfg", "authorize.lua"], haproxy_arguments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_rejects_requests_if_the_script_fails() {
    let (issuer, other) = (TestIssuer::start().await.unwrap(), TestIssuer::start().await.unwrap());
    let authorizer = ForwardAuth::start(&config(&issuer, &other, "forwarded", ""));
    let proxy = start("haproxy", &["haproxy.cfg", "authorize.lua"], authorizer.address, |folder| {
        let script = folder.join("authorize.lua");
        let text = fs::read_to_string(&script).unwrap();
        fs::write(script, text.replace("core.httpclient()", "core.no_such_function()")).unwrap();
        haproxy_arguments(folder)
    });
    let Some(proxy) = proxy else { return };
    assert_rejected(&get(proxy.port, "/public/x", ""), 503);
}

#[test]
fn the_readme_shows_the_recipes_that_are_tested() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let trimmed = |text: String| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let readme = trimmed(fs::read_to_string(crate_folder.join("README.md")).unwrap());
    for name in ["nginx.conf", "Caddyfile"] {
        let recipe = trimmed(fs::read_to_string(crate_folder.join("recipes").join(name)).unwrap());
        assert!(readme.contains(&recipe), "{name}");
    }
}

/// Runs the cases with the proxy `name`; see [`start`].
async fn run(
    name: &str,
    mode: &str,
    settings: &str,
    files: &[&str],
    arguments: impl FnOnce(&Path) -> Vec<PathBuf>,
) {
    let (issuer, failing) = (TestIssuer::start().await.unwrap(), TestIssuer::start().await.unwrap());
    failing.set_outage(Some(Fault::Status(500)));
    let authorizer = ForwardAuth::start(&config(&issuer, &failing, mode, settings));
    let Some(proxy) = start(name, files, authorizer.address, arguments) else { return };
    check_cases(proxy.port, &issuer, &failing);
    drop(authorizer);
    let token = issuer.token(API).sign();
    assert_rejected(&get(proxy.port, "/orders", &bearer(&token)), 503);
    assert_rejected(&get(proxy.port, "/public/x", ""), 503);
}

/// Starts a proxy with the recipe in `files`, for an authorizer at this address. `arguments` completes the
/// files in a folder. `None` if the proxy is not installed.
fn start(
    name: &str,
    files: &[&str],
    authorizer: SocketAddr,
    arguments: impl FnOnce(&Path) -> Vec<PathBuf>,
) -> Option<Proxy> {
    let Some(program) = find(name) else {
        println!("did not run: {name} is not installed");
        return None;
    };
    let port = free_port();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{port}"));
    write_recipe(&folder, files, port, authorizer, upstream());
    let mut command = Command::new(program);
    command.args(arguments(&folder)).current_dir(&folder);
    command.env("XDG_CONFIG_HOME", &folder).env("XDG_DATA_HOME", &folder);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let proxy = Proxy { child, port };
    wait_for(port);
    Some(proxy)
}

fn haproxy_arguments(folder: &Path) -> Vec<PathBuf> {
    vec!["-C".into(), folder.into(), "-f".into(), folder.join("haproxy.cfg")]
}

fn check_cases(port: u16, issuer: &TestIssuer, failing: &TestIssuer) {
    let token = issuer.token(API).subject("alice").sign();
    let forged = "X-User: mallory\r\n";

    let reply = get(port, "/orders/1?a=b", &format!("{}{forged}", bearer(&token)));
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains("GET /orders/1?a=b") && reply.body.contains("alice"), "{}", reply.body);
    assert!(!reply.body.contains("mallory"), "{}", reply.body);

    // A client that lets its proxy remove the header would be nobody.
    let reply = get(port, "/orders", &format!("{}Connection: X-User\r\n", bearer(&token)));
    assert!(reply.status == 400 || reply.body.contains("alice"), "{} {}", reply.status, reply.body);

    let reply = get(port, "/public/x", forged);
    assert!(reply.status == 200 && !reply.body.contains("mallory"), "{}", reply.body);

    let reply = get(port, "/orders", forged);
    assert_rejected(&reply, 401);
    assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer "));

    let reply = get(port, "/reports", &bearer(&token));
    assert_rejected(&reply, 403);
    assert!(reply.header("www-authenticate").unwrap().contains(r#"scope="reports""#));

    let reply = get(port, "/orders", &bearer(&failing.token(API).sign()));
    assert_rejected(&reply, 503);
    assert!(reply.header("retry-after").is_some());

    assert_rejected(&get(port, "/other", &bearer(&token)), 403);
    for target in ["/public/..%2forders", "/public/%2e%2e/orders", "/public/..;/orders"] {
        let status = get(port, target, "").status;
        assert!(matches!(status, 400 | 401 | 403), "{target}: {status}");
    }
    let described = "X-Original-URI: /public/x\r\nX-Original-URL: http://a/public/x\r\n\
                     X-Forwarded-Uri: /public/x\r\nX-Forwarded-Method: GET\r\nX-Original-Method: GET\r\n";
    assert_rejected(&get(port, "/orders", described), 401);
}

fn assert_rejected(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status);
    assert!(!reply.body.contains("upstream"), "{}", reply.body);
}

fn config(issuer: &TestIssuer, failing: &TestIssuer, mode: &str, settings: &str) -> String {
    format!(
        r#"
        listen = "127.0.0.1:0"
        admin_listen = "127.0.0.1:0"
        trusted_proxies = ["127.0.0.1"]
        mode = "{mode}"
        {settings}
        rules = [
            {{ path = "/public/**", access = "public" }},
            {{ path = "/reports/**", scopes = ["reports"] }},
            {{ path = "/orders/**" }},
        ]
        response_headers = {{ x-user = "sub" }}
        [auth]
        audience = "{API}"
        issuers = [{{ issuer = "{}" }}, {{ issuer = "{}" }}]
        "#,
        issuer.identifier(),
        failing.identifier()
    )
}

fn get(port: u16, target: &str, lines: &str) -> Reply {
    send(SocketAddr::from(([127, 0, 0, 1], port)), &format!("GET {target} HTTP/1.1\r\n{lines}"))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Writes the files of a recipe with these addresses in place of its own.
fn write_recipe(folder: &Path, files: &[&str], port: u16, authorizer: SocketAddr, upstream: SocketAddr) {
    fs::create_dir_all(folder).unwrap();
    for file in files {
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes").join(file);
        let text = fs::read_to_string(recipe).unwrap();
        let text = text.replace("127.0.0.1:9090", &authorizer.to_string());
        let text = text.replace("127.0.0.1:3000", &upstream.to_string()).replace("8080", &port.to_string());
        fs::write(folder.join(file), text).unwrap();
    }
}

/// Answers each request with `upstream`, and the head of the request.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let body = format!("upstream\n{}", head.join("\n"));
            let length = body.len();
            let response =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _ = stream.write_all(response.as_bytes());
        }
    });
    address
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for(port: u16) {
    for _ in 0..100 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("the proxy does not listen");
}

/// Debian has servers in a folder that not every user searches.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// A running proxy, stopped on drop.
struct Proxy {
    child: Child,
    port: u16,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // SIGTERM, so that nginx stops its worker.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
