//! The command line: a socket, a role, and what the program asks for beside them.

use memif::tokio::Control;
use memif::{InterfaceConfig, InterfaceKey, Mode, Role, Socket};

use crate::Result;

/// An interface in IP mode, as the command line has it, and what else stands there. Its socket is driven by a task.
///
/// # Errors
/// How the program is to be called, where less is given than a socket and a role; why there is no such interface.
pub fn open(usage: &str) -> Result<(Control, InterfaceKey, Vec<String>)> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(role)) = (arguments.next(), arguments.next()) else {
        return Err(format!("usage: {usage}").into());
    };
    let role: Role = role.parse()?;
    let (control, driver) = memif::tokio::drive(Socket::builder(&address).open()?);
    let key = control.add_interface(InterfaceConfig::new(role, 0).mode(Mode::Ip))?;
    tokio::spawn(async move {
        // Whoever waits for a link is told that the driver has ended, and here is why.
        if let Err(error) = driver.await {
            eprintln!("{error}");
        }
    });
    eprintln!("{role} on {address}");
    Ok((control, key, arguments.collect()))
}
