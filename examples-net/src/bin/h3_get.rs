//! Fetches a page by HTTP/3 over a memif, from `h3_server`, and writes it to standard output.

use std::future::poll_fn;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Buf;
use examples_net::Result;
use examples_net::arguments::{self, Arguments};
use examples_net::udp::UdpSocket;
use http::{Request, StatusCode, Uri};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, EndpointConfig, TokioRuntime};
use rustls::RootCertStore;

const OWN: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 1), 50_000);
const HTTPS: u16 = 443;

#[tokio::main]
async fn main() -> ExitCode {
    arguments::end(run().await)
}

async fn run() -> Result<()> {
    const USAGE: &str = "h3_get SOCKET master|slave CERTIFICATE https://ADDRESS/PATH";
    let arguments = Arguments::read(USAGE, 2, 2)?;
    let [certificate, text] = arguments.rest.as_slice() else { return Err(USAGE.into()) };
    let wrong = || format!("{text}: no https://ADDRESS/PATH with an IPv4 address");
    let url: Uri = text.parse().map_err(|_| wrong())?;
    let host = url.host().filter(|_| url.scheme_str() == Some("https")).ok_or_else(wrong)?;
    let server = SocketAddrV4::new(host.parse().map_err(|_| wrong())?, url.port_u16().unwrap_or(HTTPS));
    let config = trusting(certificate).map_err(|error| format!("{certificate}: {error}"))?;
    let (control, key) = arguments.open()?;

    let link = control.connected(key).await?;
    let socket = UdpSocket::new(OWN, link).ok_or("the link has no queue in one direction")?;
    let runtime = Arc::new(TokioRuntime);
    let mut endpoint = Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, socket, runtime)?;
    endpoint.set_default_client_config(config);
    let connection = endpoint.connect(server.into(), host)?.await?;
    let (mut connection, mut requests) = h3::client::new(h3_quinn::Connection::new(connection)).await?;
    // Something has to go on with the connection while its streams are used.
    let driver = tokio::spawn(async move { poll_fn(|cx| connection.poll_close(cx)).await });

    let mut stream = requests.send_request(Request::get(url).body(())?).await?;
    stream.finish().await?;
    let status = stream.recv_response().await?.status();
    let mut out = io::stdout().lock();
    while let Some(piece) = stream.recv_data().await? {
        io::copy(&mut piece.reader(), &mut out)?;
    }
    out.flush()?;
    // With the last one who could ask for something the connection ends, and the server is told.
    drop((stream, requests));
    driver.await?;
    endpoint.wait_idle().await;
    if status == StatusCode::OK { Ok(()) } else { Err(status.to_string().into()) }
}

/// Trusts one certificate and no other.
fn trusting(file: &str) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(std::fs::read(file)?.into())?;
    let mut tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    Ok(ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?)))
}
