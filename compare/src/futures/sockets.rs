//! The kernel's sockets as tokio has them: a packet per call.

use std::time::Duration;

use tokio::net::{UdpSocket, UnixDatagram};

use super::Port;
use crate::job::{Job, Role};
use crate::port::kernel::exchange;
use crate::port::{Got, Result, io_error};

/// UDP on loopback.
pub(super) struct Udp(UdpSocket);

impl Udp {
    pub(super) async fn open(job: &Job) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.map_err(io_error("bind"))?;
        let port = socket.local_addr().map_err(io_error("address"))?.port();
        let other = exchange(job, "port", port.into())?;
        let other = u16::try_from(other).map_err(|_| "no port")?;
        socket.connect(("127.0.0.1", other)).await.map_err(io_error("connect"))?;
        Ok(Self(socket))
    }
}

/// A Unix datagram socket.
pub(super) struct Datagrams(UnixDatagram);

impl Datagrams {
    pub(super) async fn open(job: &Job) -> Result<Self> {
        let path = |role: Role| job.place.join(format!("datagrams-{role:?}"));
        let socket = UnixDatagram::bind(path(job.role)).map_err(io_error("bind"))?;
        let mut tries = 0;
        while let Err(error) = socket.connect(path(job.role.other())) {
            tries += 1;
            if tries > 10_000 {
                return Err(format!("connect: {error}"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Self(socket))
    }
}

macro_rules! port {
    ($socket:ty) => {
        impl Port for $socket {
            async fn send(&mut self, payload: &[u8], count: usize) -> Result<usize> {
                for _ in 0..count {
                    self.0.send(payload).await.map_err(io_error("send"))?;
                }
                Ok(count)
            }

            async fn receive(&mut self, scratch: &mut [u8], _: usize) -> Result<Got> {
                let bytes = self.0.recv(scratch).await.map_err(io_error("recv"))?;
                Ok(Got { packets: 1, bytes })
            }

            async fn echo(&mut self, scratch: &mut [u8], _: usize) -> Result<usize> {
                let bytes = self.0.recv(scratch).await.map_err(io_error("recv"))?;
                self.0.send(&scratch[..bytes]).await.map_err(io_error("send"))?;
                Ok(1)
            }
        }
    };
}

port!(Udp);
port!(Datagrams);
