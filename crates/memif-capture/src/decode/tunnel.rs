//! Packets in packets over UDP: VXLAN (RFC 7348) and GTP-U (3GPP TS 29.281).

use std::fmt;

use super::part::{Next, Part};

/// Where VXLAN is sent to.
pub(super) const VXLAN_PORT: u16 = 4789;
/// Where GTP-U is sent to.
pub(super) const GTPU_PORT: u16 = 2152;

const VXLAN_HEADER: usize = 8;
/// The flag of VXLAN that says that there is a network identifier.
const HAS_IDENTIFIER: u8 = 0x08;

const GTPU_HEADER: usize = 8;
/// Sequence number, number of an N-PDU and type of the first extension: there together if one of three flags says so.
const GTPU_OPTIONAL: usize = 4;
/// Extensions that are looked through.
const MOST_EXTENSIONS: usize = 8;
/// The message that carries a packet.
const CARRIES: u8 = 255;

pub(super) fn vxlan<'a>(f: &mut fmt::Formatter<'_>, part: Part<'a>) -> Result<Next<'a>, fmt::Error> {
    let (Some(flags), Some(word)) = (part.byte(0), part.four(4)) else {
        return f.write_str("VXLAN [|vxlan]").map(|()| Next::Nothing);
    };
    let identified = flags & HAS_IDENTIFIER != 0;
    write!(f, "VXLAN, flags [{}] ({flags:#04x}), vni {}: ", if identified { "I" } else { "." }, word >> 8)?;
    Ok(Next::Ethernet(part.after(VXLAN_HEADER)))
}

pub(super) fn gtpu<'a>(f: &mut fmt::Formatter<'_>, part: Part<'a>) -> Result<Next<'a>, fmt::Error> {
    let nothing = |written: fmt::Result| written.map(|()| Next::Nothing);
    let (Some(flags), Some(message), Some(length), Some(endpoint)) =
        (part.byte(0), part.byte(1), part.two(2), part.four(4))
    else {
        return nothing(f.write_str("GTP-U [|gtp-u]"));
    };
    let (version, plain) = (flags >> 5, flags & 0x10 != 0);
    if version != 1 || !plain {
        return nothing(write!(f, "GTP version {version}, flags {flags:#04x}, length {}", part.length));
    }
    write!(f, "GTP-U, teid {endpoint:#010x}, ")?;
    let mut inner = part.after(GTPU_HEADER).limited(length.into());
    if flags & 0x07 != 0 {
        let (Some(sequence), Some(first)) = (inner.two(0), inner.byte(3)) else {
            return nothing(f.write_str("[|gtp-u]"));
        };
        if flags & 0x02 != 0 {
            write!(f, "seq {sequence}, ")?;
        }
        inner = inner.after(GTPU_OPTIONAL);
        let mut extension = if flags & 0x04 != 0 { first } else { 0 };
        for _ in 0..MOST_EXTENSIONS {
            if extension == 0 {
                break;
            }
            let length = usize::from(inner.byte(0).unwrap_or(0)) * 4;
            let Some(next) = length.checked_sub(1).and_then(|last| inner.byte(last)) else {
                return nothing(write!(f, "extension {extension:#04x} [|gtp-u]"));
            };
            write!(f, "extension {extension:#04x}, ")?;
            extension = next;
            inner = inner.after(length);
        }
        if extension != 0 {
            return nothing(f.write_str("more extensions"));
        }
    }
    let name = match message {
        CARRIES if inner.length > 0 => {
            f.write_str("T-PDU: ")?;
            return Ok(Next::Ip(inner));
        }
        CARRIES => "T-PDU",
        1 => "echo request",
        2 => "echo response",
        26 => "error indication",
        31 => "supported extension headers",
        254 => "end marker",
        other => return nothing(write!(f, "message {other}, length {}", inner.length)),
    };
    nothing(write!(f, "{name}, length {}", inner.length))
}
