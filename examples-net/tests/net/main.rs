//! The programs of this package as their users run them, and what comes from them by content.

#![forbid(unsafe_code)]

mod http1;
mod http3;
mod misuse;

use testkit::{Suite, download};

fn main() {
    Suite::new()
        .test("ipstack_as_master", &[], || http1::download(http1::IPSTACK, memif::Role::Master))
        .test("ipstack_as_slave", &[], || http1::download(http1::IPSTACK, memif::Role::Slave))
        .test("netstack_as_master", &[], || http1::download(http1::NETSTACK, memif::Role::Master))
        .test("netstack_as_slave", &[], || http1::download(http1::NETSTACK, memif::Role::Slave))
        .test("http3", &[], http3::download)
        .test("misuse_is_told_in_words", &[], misuse::is_told)
        .building(|| drop(download::memif()))
        .test("curl_downloads_from_ipstack", download::NEEDS, || http1::curl(http1::IPSTACK))
        .test("curl_downloads_from_netstack", download::NEEDS, || http1::curl(http1::NETSTACK))
        .run()
}

/// Fails where these bytes are not those of `/100MB`.
#[track_caller]
fn assert_100mb(body: &[u8]) {
    assert_eq!(body.len(), 100_000_000);
    let hash = ring::digest::digest(&ring::digest::SHA256, body);
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, download::SHA256, "other bytes came");
}
