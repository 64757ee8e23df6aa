//! Every way in which an operation fails, one enum per operation, and every breach of the protocol by name.

mod breach;
mod config;
mod queue;
mod refusal;
mod socket;
mod system;

pub use breach::Breach;
pub use config::ConfigError;
pub use queue::{KeepError, RecvError, SendError};
pub use refusal::Refusal;
pub use socket::{ConnectError, SocketError, WaitError};
pub use system::SystemError;

pub use crate::terms::{Direction, QueueName};

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io;

    use super::*;
    use crate::terms::Role;

    /// Programs that print an error with its causes print each cause once.
    #[test]
    fn no_text_repeats_its_cause() {
        let kernel = || io::Error::from_raw_os_error(24);
        let errors: Vec<Box<dyn Error>> = vec![
            Box::new(SocketError::from(ConfigError::NoQueues)),
            Box::new(SocketError::io("epoll")(kernel())),
            Box::new(ConnectError::GaveUp(Breach::NoRings.into())),
            Box::new(ConnectError::Local(kernel().into())),
            Box::new(ConnectError::Io(SystemError::because("x", &kernel()))),
            Box::new(WaitError::TimedOut { last: Some(ConnectError::Local(kernel().into())) }),
            Box::new(WaitError::from(SocketError::IdInUse { id: 1, role: Role::Slave })),
            Box::new(RecvError::from(Breach::MemoryGone)),
            Box::new(SendError::from(Breach::MemoryGone)),
            Box::new(Refusal::from(Breach::NoRings)),
            Box::new(io::Error::from(RecvError::from(Breach::MemoryGone))),
            Box::new(io::Error::from(SystemError::because("x", &kernel()))),
        ];
        for error in errors {
            let text = error.to_string();
            let mut cause = error.source();
            while let Some(at) = cause {
                assert!(!text.contains(&at.to_string()), "{text}: {at}");
                cause = at.source();
            }
        }
    }

    #[test]
    fn queues_fail_as_io_does() {
        let kinds = [
            (io::Error::from(RecvError::Disconnected), io::ErrorKind::NotConnected),
            (io::Error::from(RecvError::from(Breach::MemoryGone)), io::ErrorKind::InvalidData),
            (io::Error::from(SendError::Full), io::ErrorKind::WouldBlock),
            (io::Error::from(SendError::TooLong { len: 2, max: 1 }), io::ErrorKind::InvalidInput),
            (io::Error::from(SendError::Disconnected), io::ErrorKind::NotConnected),
            (io::Error::from(ConfigError::NoQueues), io::ErrorKind::InvalidInput),
            (io::Error::from(SocketError::io("x")(io::ErrorKind::AddrInUse.into())), io::ErrorKind::AddrInUse),
            (io::Error::from(WaitError::TimedOut { last: None }), io::ErrorKind::TimedOut),
            (io::Error::from(WaitError::from(SocketError::NoSuchInterface)), io::ErrorKind::NotFound),
        ];
        for (error, kind) in kinds {
            assert_eq!(error.kind(), kind, "{error}");
        }
        let back = io::Error::from(SendError::Full).into_inner().and_then(|inner| inner.downcast::<SendError>().ok());
        assert_eq!(back.as_deref(), Some(&SendError::Full));
    }
}
