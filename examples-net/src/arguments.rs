//! The command line: a socket, a role, and what the program asks for beside them.

use std::process::ExitCode;

use memif::tokio::Control;
use memif::{InterfaceConfig, InterfaceKey, Mode, Role, Socket};

use crate::Result;

/// MTUs that both stacks work with.
const MTUS: std::ops::RangeInclusive<u16> = 1280..=u16::MAX;

/// What stands on the command line.
#[derive(Debug)]
pub struct Arguments {
    address: String,
    role: Role,
    /// What follows socket and role.
    pub rest: Vec<String>,
}

impl Arguments {
    /// Reads a socket, a role, and from `least` to `most` more.
    ///
    /// # Errors
    /// How the program is to be called.
    pub fn read(usage: &str, least: usize, most: usize) -> Result<Self> {
        let wrong = || format!("usage: {usage}");
        let mut all = std::env::args().skip(1);
        let (address, role) = (all.next().ok_or_else(wrong)?, all.next().ok_or_else(wrong)?);
        let rest: Vec<_> = all.collect();
        if !(least..=most).contains(&rest.len()) {
            return Err(wrong().into());
        }
        let role = role.parse().map_err(|error| format!("{error}\n{}", wrong()))?;
        Ok(Self { address, role, rest })
    }

    /// The MTU that may stand behind socket and role, or 1500.
    ///
    /// # Errors
    /// It is none that the stacks work with.
    pub fn mtu(&self) -> Result<u16> {
        let Some(text) = self.rest.first() else { return Ok(1500) };
        let mtu = text.parse().ok().filter(|mtu| MTUS.contains(mtu));
        Ok(mtu.ok_or_else(|| format!("{text} is no MTU: {} to {} bytes", MTUS.start(), MTUS.end()))?)
    }

    /// An interface in IP mode. Its socket is driven by a task.
    ///
    /// # Errors
    /// Why there is no such interface.
    pub fn open(&self) -> Result<(Control, InterfaceKey)> {
        let Self { address, role, .. } = self;
        let (control, driver) = memif::tokio::drive(Socket::builder(address).open()?);
        let key = control.add_interface(InterfaceConfig::new(*role, 0).mode(Mode::Ip))?;
        tokio::spawn(async move {
            // Whoever waits for a link is told that the driver has ended, and here is why.
            if let Err(error) = driver.await {
                eprintln!("{error}");
            }
        });
        eprintln!("{role} on {address}");
        Ok((control, key))
    }
}

/// Ends a program, with what went wrong in words.
#[must_use]
pub fn end(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
