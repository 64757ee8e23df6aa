//! What Wireshark reads: sentences, one in a line.

use std::io::{self, Write};

use memif_watch::{Host, Link, LinkId};

use crate::commands::capture::attach::framing_of;
use crate::commands::capture::target::who;
use crate::error::Error;
use crate::packet::Framing;
use crate::watching;

/// The name of the interface that is an endpoint of our own.
const ENDPOINT: &str = "memif";
/// What the names of links begin with. Their colons are dashes: names of interfaces are keys of preferences.
const LINK: &str = "memif-";

/// What an interface stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A link of other programs.
    Link(LinkId),
    /// An end of a link.
    Endpoint,
}

impl Source {
    /// By the name of the interface.
    pub(super) fn of(name: &str) -> Result<Self, Error> {
        if name == ENDPOINT {
            return Ok(Self::Endpoint);
        }
        let id = name.strip_prefix(LINK).and_then(|id| id.replace('-', ":").parse().ok());
        id.map(Self::Link).ok_or_else(|| {
            let name = name.escape_debug();
            Error::Usage(format!("there is no interface {name}: memif extcap --extcap-interfaces lists them"))
        })
    }
}

/// All interfaces.
pub(super) fn interfaces() -> Result<(), Error> {
    // Where nothing can be looked into there is the endpoint still.
    let host = watching::scan().unwrap_or_default();
    print(&interfaces_of(&host))
}

fn interfaces_of(host: &Host) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("extcap {{version={version}}}{{display=memif}}\n");
    for link in host.links.iter().filter(|link| link.problem().is_none()) {
        text += &format!("interface {{value={}}}{{display={}}}\n", name(link.id()), plain(&describe(link)));
    }
    text + &format!("interface {{value={ENDPOINT}}}{{display=memif endpoint at a socket}}\n")
}

fn name(id: LinkId) -> String {
    format!("{LINK}{}", id.to_string().replace(':', "-"))
}

fn describe(link: &Link) -> String {
    let socket = link.socket().map(|socket| format!(", {socket}")).unwrap_or_default();
    format!("memif link of {}{socket}", who(link, None))
}

/// A text that may stand in a sentence: names of processes hold anything.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if matches!(letter, '{' | '}') || letter.is_control() { '_' } else { letter }).collect()
}

/// What packets begin with.
pub(super) fn dlts(source: Source) -> Result<(), Error> {
    let framing = match source {
        Source::Endpoint => Framing::Ethernet,
        Source::Link(id) => {
            let host = watching::scan().unwrap_or_default();
            host.link(id).map_or(Framing::Ethernet, framing_of)
        }
    };
    print(match framing {
        Framing::Ethernet => "dlt {number=1}{name=EN10MB}{display=Ethernet}\n",
        Framing::Ip => "dlt {number=12}{name=RAW}{display=Raw IP}\n",
    })
}

/// The options of its dialog.
pub(super) fn config(source: Source) -> Result<(), Error> {
    const MODES: &str = "\
arg {number=0}{call=--mode}{display=Packets begin with}{type=selector}\
{tooltip=The mode of the interface: an Ethernet header, or one of IP}
value {arg=0}{value=auto}{display=what packets show}{default=true}
value {arg=0}{value=ethernet}{display=Ethernet}{default=false}
value {arg=0}{value=ip}{display=IP}{default=false}
arg {number=1}{call=--snaplen}{display=Bytes of each packet}{type=unsigned}{range=1,262144}{default=262144}\
{tooltip=The first bytes that are kept}
";
    const OF_LINK: &str = "\
arg {number=2}{call=--direction}{display=Direction}{type=selector}{tooltip=Which way packets go}
value {arg=2}{value=both}{display=both}{default=true}
value {arg=2}{value=s2m}{display=from slave to master}{default=false}
value {arg=2}{value=m2s}{display=from master to slave}{default=false}
arg {number=3}{call=--queue}{display=Queue}{type=string}{required=false}{validation=^[0-9]*$}\
{tooltip=The number of a queue; all if empty}
";
    const OF_ENDPOINT: &str = "\
arg {number=2}{call=--socket}{display=Socket}{type=string}{default=/run/vpp/memif.sock}\
{tooltip=A path, or @NAME for an abstract one}
arg {number=3}{call=--id}{display=Interface number}{type=unsigned}{range=0,4294967295}{default=0}\
{tooltip=Pairs this interface with one of the peer}
arg {number=4}{call=--role}{display=Role}{type=selector}{tooltip=A slave connects, a master listens}
value {arg=4}{value=slave}{display=slave}{default=true}
value {arg=4}{value=master}{display=master}{default=false}
arg {number=5}{call=--secret-file}{display=File with the secret}{type=fileselect}{mustexist=true}{required=false}\
{tooltip=Its first line is the secret that the master demands}
";
    let more = match source {
        Source::Link(_) => OF_LINK,
        Source::Endpoint => OF_ENDPOINT,
    };
    print(&format!("{MODES}{more}"))
}

fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_interfaces_lead_back() {
        let id: LinkId = "0:1:77".parse().unwrap();
        assert_eq!(name(id), "memif-0-1-77");
        assert_eq!(Source::of("memif-0-1-77").unwrap(), Source::Link(id));
        assert_eq!(Source::of("memif").unwrap(), Source::Endpoint);
        for wrong in ["", "memif-", "memif-1-2", "eth0", "memif-0-1-77-"] {
            assert!(Source::of(wrong).unwrap_err().to_string().contains("there is no interface"), "{wrong}");
        }
        let error = Source::of("a\x1b[2J\n").unwrap_err().to_string();
        assert!(error.contains("there is no interface a\\u{1b}[2J\\n:"), "{error}");
    }

    #[test]
    fn a_name_breaks_no_sentence() {
        assert_eq!(plain("a}{value=x}\n"), "a__value=x__");
        let text = interfaces_of(&Host::default());
        assert_eq!(text.lines().count(), 2);
        assert!(text.starts_with("extcap {version="));
    }
}
