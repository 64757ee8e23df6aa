//! What is made at this end, for programs.

use memif::{Role, SocketAddress};
use serde::Serialize;

use crate::packet::{Addresses, Mac};

/// An interface was made; its link is not up yet.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "interface")]
pub(crate) struct InterfaceReport {
    pub(crate) interface_id: u32,
    /// `slave` or `master`.
    pub(crate) role: String,
    pub(crate) socket: String,
    /// The first addresses of each family that it answers for, and all of them.
    pub(crate) ip: Option<String>,
    pub(crate) ip6: Option<String>,
    pub(crate) addresses: Vec<String>,
    pub(crate) mac: Option<String>,
    /// The device that it is bridged to; not there but for a bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<DeviceReport>,
}

/// A device of the kernel.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DeviceReport {
    pub(crate) name: String,
    /// `tap` or `tun`.
    pub(crate) kind: String,
    /// Whether the bridge made it, so that it goes away with that.
    pub(crate) created: bool,
    pub(crate) mtu_bytes: u16,
    pub(crate) queues: usize,
}

impl InterfaceReport {
    /// An interface with addresses of its own.
    pub(crate) fn with_station(
        interface_id: u32,
        role: Role,
        socket: &SocketAddress,
        mac: Mac,
        addresses: &Addresses,
    ) -> Self {
        Self {
            interface_id,
            role: role.to_string(),
            socket: socket.to_string(),
            ip: addresses.first4().map(|ip| ip.to_string()),
            ip6: addresses.first6().map(|ip| ip.to_string()),
            addresses: addresses.all().map(|ip| ip.to_string()).collect(),
            mac: Some(mac.to_string()),
            device: None,
        }
    }

    /// An interface that is bridged to a device.
    pub(crate) fn with_device(interface_id: u32, role: Role, socket: &SocketAddress, device: DeviceReport) -> Self {
        Self { device: Some(device), ..Self::plain(interface_id, role, socket) }
    }

    /// An interface without addresses.
    pub(crate) fn plain(interface_id: u32, role: Role, socket: &SocketAddress) -> Self {
        Self {
            interface_id,
            role: role.to_string(),
            socket: socket.to_string(),
            ip: None,
            ip6: None,
            addresses: Vec::new(),
            mac: None,
            device: None,
        }
    }
}
