//! What people type and peers call themselves: addresses, names, secrets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use memif::{InterfaceConfig, Mode, Name, Role, RxMode, Secret, SocketAddress};

fuzz_target!(|bytes: &[u8]| {
    let shown = Name::lossy(bytes).to_string();
    assert!(!shown.chars().any(char::is_control), "a control character is shown: {shown:?}");
    let name = Name::new(bytes);
    assert_eq!(name.is_ok(), bytes.len() <= 31 && !bytes.contains(&0));
    if let Ok(name) = name {
        assert_eq!(name.as_bytes(), bytes);
        assert_eq!(Name::from_field(name.field()), name);
    }
    let secret = Secret::new(bytes);
    assert_eq!(secret.is_ok(), (1..=23).contains(&bytes.len()) && !bytes.contains(&0));
    assert!(secret.map_or(true, |secret| format!("{secret:?}") == "Secret(..)"));

    let Ok(text) = std::str::from_utf8(bytes) else { return };
    assert_eq!(text.parse::<Name>().ok(), Name::new(text).ok());
    assert_eq!(text.parse::<Secret>().ok(), Secret::new(text).ok());
    match text.parse::<SocketAddress>() {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(address) => {
            address.validate().expect("an address that was parsed is one");
            let _ = address.to_string();
            match &address {
                SocketAddress::Path(path) => assert_eq!(path.to_str(), Some(text)),
                SocketAddress::Abstract(name) => {
                    assert!((1..=107).contains(&name.len()) && text.as_bytes().ends_with(name));
                }
            }
        }
    }
    let _ = (text.parse::<Role>(), text.parse::<Mode>(), text.parse::<RxMode>());

    // Numbers of a configuration: refused by name, or fit for use.
    if let Some(numbers) = bytes.first_chunk::<16>() {
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| numbers[at + i]));
        let config = InterfaceConfig::slave(word(0))
            .ring_size(word(4))
            .buffer_size(word(8))
            .max_packet(word(12))
            .rx_queues(numbers[0])
            .tx_queues(numbers[1])
            .chaining(numbers[2] & 1 == 0);
        if let Err(error) = config.validate() {
            assert!(!error.to_string().is_empty());
        }
    }
});
