//! The VLAN that a station is on.

use clap::Args;
use etherparse::VlanId;

use crate::endpoint::values::number;
use crate::error::Error;
use crate::packet::{Encapsulation, Framing};

/// The VLAN that an end answers and asks on.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct VlanOption {
    /// Send with the tag of this VLAN (802.1Q), and take nothing but what has it: 1 to 4094
    #[arg(long, value_name = "ID", value_parser = number::<u16>(1, 4094), allow_negative_numbers = true)]
    vlan: Option<u16>,
}

impl VlanOption {
    /// What packets of a station on a link of that kind start with.
    pub(crate) fn encapsulation(self, framing: Framing) -> Result<Encapsulation, Error> {
        let Some(vlan) = self.vlan else { return Ok(framing.into()) };
        match (framing, VlanId::try_new(vlan)) {
            (Framing::Ethernet, Ok(vlan)) => Ok(Encapsulation::Vlan(vlan)),
            _ => Err(Error::Usage(format!(
                "--vlan {vlan} is a tag of ethernet, which IP mode has not: leave --mode ip out, or --vlan"
            ))),
        }
    }
}
