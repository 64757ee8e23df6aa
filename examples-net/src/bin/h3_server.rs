//! An HTTP/3 server without a kernel: QUIC by quinn on a memif in IP mode, at 192.168.1.2. `/100MB` is 100,000,000
//! bytes.
//!
//! It writes the certificate that it has made for itself into a file, for its clients to know it by:
//!
//! ```sh
//! cd examples-net
//! cargo run --release --bin h3_server -- /tmp/memif.sock master /tmp/memif.crt
//! cargo run --release --bin h3_get -- /tmp/memif.sock slave /tmp/memif.crt https://192.168.1.2/100MB | sha256sum
//! ```

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use examples_net::arguments::{self, Arguments};
use examples_net::udp::UdpSocket;
use examples_net::{Result, content};
use h3::server::RequestResolver;
use http::{Response, StatusCode};
use memif::tokio::Link;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime};
use rustls::pki_types::PrivatePkcs8KeyDer;

const OWN: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 2), 443);

#[tokio::main]
async fn main() -> ExitCode {
    arguments::end(run().await)
}

async fn run() -> Result<()> {
    let arguments = Arguments::read("h3_server SOCKET master|slave CERTIFICATE", 1, 1)?;
    let (control, key) = arguments.open()?;
    let config = self_signed(&arguments.rest[0])?;
    loop {
        let link = control.connected(key).await?;
        println!("serving https://192.168.1.2/100MB");
        serve(link, config.clone()).await?;
        println!("link down");
    }
}

/// What the server tells of itself: a certificate that nobody else vouches for, which is written into a file.
fn self_signed(file: &str) -> Result<ServerConfig> {
    let made = rcgen::generate_simple_self_signed([OWN.ip().to_string()])?;
    std::fs::write(file, made.cert.der()).map_err(|error| format!("{file}: {error}"))?;
    println!("its certificate is in {file}");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    tls.alpn_protocols = vec![b"h3".to_vec()];
    Ok(ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?)))
}

/// Serves until the link is down. Connections end with it.
async fn serve(link: Link, config: ServerConfig) -> Result<()> {
    let socket = UdpSocket::new(OWN, link).ok_or("the link has no queue in one direction")?;
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new_with_abstract_socket(EndpointConfig::default(), Some(config), socket, runtime)?;
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            if let Err(error) = connection(incoming).await {
                println!("connection: {error}");
            }
        });
    }
    Ok(())
}

async fn connection(incoming: Incoming) -> Result<()> {
    let mut connection = h3::server::Connection::new(h3_quinn::Connection::new(incoming.await?)).await?;
    loop {
        let request = match connection.accept().await {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            // The client has all that it wants.
            Err(end) if end.is_h3_no_error() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        tokio::spawn(async move {
            if let Err(error) = answer(request).await {
                println!("request: {error}");
            }
        });
    }
}

async fn answer(request: RequestResolver<h3_quinn::Connection, Bytes>) -> Result<()> {
    let (request, mut stream) = request.resolve_request().await?;
    let (status, bytes) = match content::length(request.uri().path()) {
        Some(bytes) => (StatusCode::OK, bytes),
        None => (StatusCode::NOT_FOUND, 0),
    };
    stream.send_response(Response::builder().status(status).header("content-length", bytes).body(())?).await?;
    for piece in content::pieces(bytes) {
        stream.send_data(piece.into()).await?;
    }
    Ok(stream.finish().await?)
}
