//! Two TUN devices in one network namespace, a packet per call, between which the kernel forwards.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tun_rs::{AsyncDevice, DeviceBuilder};

use super::Port;
use crate::job::{Job, Role};
use crate::port::kernel::{exchange, own_network};
use crate::port::{Got, Result, io_error};

/// Bytes of the headers of IPv4 and UDP.
const HEADERS: usize = 28;

pub(super) struct Tun {
    device: AsyncDevice,
    role: Role,
}

impl Tun {
    pub(super) async fn open(job: &Job) -> Result<Self> {
        let own = rustix::thread::gettid().as_raw_nonzero().get();
        let own = u32::try_from(own).map_err(|_| "no thread number")?;
        // A network for the thread that makes the device; that of the master comes into it.
        if job.role == Role::Slave {
            own_network()?;
        }
        let other = exchange(job, "thread", own)?;
        if job.role == Role::Master {
            let namespace = File::open(format!("/proc/{other}/ns/net")).map_err(io_error("a network namespace"))?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(|error| format!("another network namespace: {error}"))?;
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").map_err(io_error("ip_forward"))?;
        }
        let (name, network) = match job.role {
            Role::Slave => ("cmp0", 1),
            Role::Master => ("cmp1", 2),
        };
        let builder = DeviceBuilder::new().name(name).ipv4(Ipv4Addr::new(10, 9, network, 1), 24, None).mtu(1500);
        let device = builder.build_async().map_err(io_error("a TUN device"))?;
        // Both are there before the first packet.
        exchange(job, "up", 1)?;
        Ok(Self { device, role: job.role })
    }
}

impl Port for Tun {
    async fn send(&mut self, payload: &[u8], count: usize) -> Result<usize> {
        for _ in 0..count {
            self.device.send(payload).await.map_err(io_error("send"))?;
        }
        Ok(count)
    }

    async fn receive(&mut self, scratch: &mut [u8], _: usize) -> Result<Got> {
        loop {
            let bytes = self.device.recv(scratch).await.map_err(io_error("recv"))?;
            // The kernel has packets of its own for a device that is up, of IPv6.
            if scratch.first().is_some_and(|first| first >> 4 == 4) {
                return Ok(Got { packets: 1, bytes });
            }
        }
    }

    async fn echo(&mut self, _: &mut [u8], _: usize) -> Result<usize> {
        Err("a TUN device sends nothing back".to_owned())
    }

    /// To a host behind the other device.
    fn payload(&self, job: &Job) -> Vec<u8> {
        let (from, to) = if self.role == Role::Slave { (1, 2) } else { (2, 1) };
        let mut bytes = job.payload();
        let (all, datagram) = (job.size as u16, job.size as u16 - 20);
        let mut header = [0; HEADERS];
        header[0] = 0x45;
        header[2..4].copy_from_slice(&all.to_be_bytes());
        header[8..10].copy_from_slice(&[64, 17]);
        header[12..16].copy_from_slice(&[10, 9, from, 2]);
        header[16..20].copy_from_slice(&[10, 9, to, 2]);
        let sum: u32 = header[..20].chunks(2).map(|two| u32::from(u16::from_be_bytes([two[0], two[1]]))).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        header[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
        header[20..26].copy_from_slice(&[0, 9, 0, 9, (datagram >> 8) as u8, datagram as u8]);
        bytes[..HEADERS].copy_from_slice(&header);
        bytes
    }

    fn changed(&self) -> usize {
        HEADERS
    }
}
