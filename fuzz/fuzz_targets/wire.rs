//! Any bytes as a control message: what is understood is said again in the same words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use memif::wire::{MESSAGE_SIZE, Message};

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::parse(bytes) else { return };
    assert_eq!(bytes.len(), MESSAGE_SIZE, "a message of another length was understood");
    let _ = format!("{message:?} {}", message.name());
    let said = message.emit();
    let again = Message::parse(&said).expect("what was sent is understood");
    assert_eq!(again.emit(), said, "sending loses something");
    match (message, again) {
        // A secret that fills its field equals no secret and is cut when it is sent.
        (Message::Init(before), Message::Init(after)) if before.secret[23] != 0 => {
            assert_eq!(before.secret[..23], after.secret[..23]);
            assert_eq!((before.id, before.mode, before.name), (after.id, after.mode, after.name));
        }
        _ => assert_eq!(message, again, "parsing loses something"),
    }
});
