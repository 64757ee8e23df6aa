//! HTTP/1.1 on a connection of whatever stack.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::content;

/// Bytes of the head of a request.
const LONGEST_REQUEST: usize = 8192;

/// Answers one request after the other until the client has no more, and closes the connection: ipstack 1.0.1 sends no
/// FIN for a `shutdown` of ours while bytes are on their way.
///
/// # Errors
/// What the connection says.
pub async fn serve(mut connection: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut received = Vec::new();
    while let Some(path) = next_request(&mut connection, &mut received).await? {
        let (status, bytes) = match content::length(&path) {
            Some(bytes) => ("200 OK", bytes),
            None => ("404 Not Found", 0),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {bytes}\r\n\r\n");
        connection.write_all(head.as_bytes()).await?;
        for piece in content::pieces(bytes) {
            connection.write_all(&piece).await?;
        }
    }
    connection.shutdown().await
}

/// The path that is asked for. `None` at the end of the connection, and for what is no request.
async fn next_request(mut from: impl AsyncRead + Unpin, received: &mut Vec<u8>) -> io::Result<Option<String>> {
    const END: &[u8] = b"\r\n\r\n";
    let end = loop {
        if let Some(end) = received.windows(END.len()).position(|bytes| bytes == END) {
            break end + END.len();
        }
        if received.len() > LONGEST_REQUEST || from.read_buf(received).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    received.drain(..end);
    Ok(head.split(' ').nth(1).map(str::to_owned))
}
