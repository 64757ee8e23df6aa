//! How roles and modes are spelled where a person gives them.

use std::str::FromStr;

use crate::error::ConfigError;
use crate::terms::{CacheLine, Mode, Role, RxMode};

impl FromStr for Role {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "master" | "server" => Ok(Role::Master),
            "slave" | "client" => Ok(Role::Slave),
            _ => Err(ConfigError::Role(text.to_owned())),
        }
    }
}

impl FromStr for Mode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ethernet" => Ok(Mode::Ethernet),
            "ip" => Ok(Mode::Ip),
            "punt/inject" | "punt-inject" => Ok(Mode::PuntInject),
            _ => Err(ConfigError::Mode(text.to_owned())),
        }
    }
}

impl FromStr for RxMode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "polling" => Ok(RxMode::Polling),
            "interrupt" => Ok(RxMode::Interrupt),
            "adaptive" => Ok(RxMode::Adaptive),
            _ => Err(ConfigError::RxMode(text.to_owned())),
        }
    }
}

impl FromStr for CacheLine {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let line = text.parse().ok().and_then(CacheLine::from_bytes);
        line.ok_or_else(|| ConfigError::CacheLine(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_modes_have_both_spellings() {
        assert_eq!("client".parse::<Role>(), Ok(Role::Slave));
        assert_eq!("server".parse::<Role>(), Ok(Role::Master));
        assert!("boss".parse::<Role>().unwrap_err().to_string().contains("master"));
        assert_eq!("ip".parse::<Mode>(), Ok(Mode::Ip));
        for mode in [Mode::Ethernet, Mode::Ip, Mode::PuntInject] {
            assert_eq!(Mode::from_wire(mode.to_wire()), Some(mode));
        }
        assert_eq!(Mode::from_wire(3), None);
        assert_eq!(("64".parse(), "128".parse()), (Ok(CacheLine::Of64), Ok(CacheLine::Of128)));
        for wrong in ["", "32", "x", "064 ", "-64", "18446744073709551680"] {
            assert!(wrong.parse::<CacheLine>().unwrap_err().to_string().contains("64 or 128"), "{wrong}");
        }
    }
}
