//! What the helper processes share: an end of the library by the words on their command line.

use memif::{InterfaceConfig, InterfaceKey, Link, Role, RxMode};
use testkit::{Address, Parent};

use crate::common::Driver;

/// The abstract address, the role and the receive mode that are the first three arguments.
pub(crate) fn end(
    parent: &Parent,
    settings: impl FnOnce(InterfaceConfig) -> InterfaceConfig,
) -> (Driver, InterfaceKey, Link) {
    let mut driver = Driver::open(&address(parent));
    let mode: RxMode = parent.argument(2).parse().expect("a receive mode");
    let key = driver.add(settings(InterfaceConfig::new(role(parent), 0).rx_mode(mode)));
    let link = driver.connected(key);
    parent.say("up");
    (driver, key, link)
}

/// The first argument: an absolute path, or an abstract name.
pub(crate) fn address(parent: &Parent) -> Address {
    let text = parent.argument(0);
    if text.starts_with('/') { Address::Path(text.into()) } else { Address::Abstract(text.as_bytes().to_vec()) }
}

/// The second argument.
pub(crate) fn role(parent: &Parent) -> Role {
    parent.argument(1).parse().expect("a role")
}

/// A fresh abstract name, as an argument.
pub(crate) fn fresh_name() -> String {
    let Address::Abstract(name) = Address::fresh_abstract() else { unreachable!("it is abstract") };
    String::from_utf8(name).expect("a name of ASCII letters")
}
