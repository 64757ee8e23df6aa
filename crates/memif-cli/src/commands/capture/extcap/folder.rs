//! Where Wireshark looks for programs like this, and a link to this one there.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::output::say;

/// The name under which this program stands in the folder of Wireshark.
pub(super) const NAME: &str = "memif-extcap";

/// Makes the link.
pub(super) fn install(user: bool) -> Result<(), Error> {
    let folder = ask(user)?;
    let program = env::current_exe().map_err(|source| Error::System {
        what: "cannot tell where this program is".to_owned(),
        advice: "mount /proc, as every system has it",
        source,
    })?;
    let place = folder.join(NAME);
    let failed =
        |source| Error::System { what: format!("cannot make {}", place.display()), advice: advice(user), source };
    fs::create_dir_all(&folder).map_err(failed)?;
    match fs::symlink_metadata(&place) {
        Ok(found) if !found.is_symlink() => {
            return Err(Error::Usage(format!("{} is there and no link: remove it", place.display())));
        }
        Ok(_) => fs::remove_file(&place).map_err(failed)?,
        Err(_) => {}
    }
    symlink(&program, &place).map_err(failed)?;
    say(format_args!("{} -> {}", place.display(), program.display()))?;
    say(format_args!("tshark -D and Wireshark list memif links now; memif extcap --uninstall takes it away"))
}

/// Takes it away.
pub(super) fn uninstall(user: bool) -> Result<(), Error> {
    let place = ask(user)?.join(NAME);
    let is_link = fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink());
    if !is_link {
        return say(format_args!("there is no link {}", place.display()));
    }
    fs::remove_file(&place).map_err(|source| Error::System {
        what: format!("cannot remove {}", place.display()),
        advice: advice(user),
        source,
    })?;
    say(format_args!("{} is gone", place.display()))
}

fn advice(user: bool) -> &'static str {
    if user { "this user has to own that folder: look at HOME" } else { "run this as root, or add --user" }
}

/// Asks tshark or Wireshark for their folder.
fn ask(user: bool) -> Result<PathBuf, Error> {
    for program in ["tshark", "wireshark"] {
        let asked = Command::new(program).args(["-G", "folders"]).stdin(Stdio::null()).stderr(Stdio::null()).output();
        match asked {
            Ok(output) if output.status.success() => {
                let text = String::from_utf8_lossy(&output.stdout);
                return folder(&text, user).ok_or_else(|| {
                    Error::Usage(format!(
                        "{program} -G folders names no folder for extcap programs: this {program} has no extcap"
                    ))
                });
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::System {
                    what: format!("cannot run {program}"),
                    advice: "look whether it is in order",
                    source: error,
                });
            }
            _ => {}
        }
    }
    Err(Error::Usage(
        "neither tshark nor wireshark is in PATH, which tell where the link belongs: install one".to_owned(),
    ))
}

/// The folder, as they name it: Wireshark 4.2 and later tell that of the user, earlier ones have it below that of the
/// settings.
fn folder(text: &str, user: bool) -> Option<PathBuf> {
    let named = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        found.next().filter(|value| !value.is_empty()).map(Path::new)
    };
    if !user {
        return named("Global Extcap path").or_else(|| named("Extcap path")).map(Path::to_owned);
    }
    named("Personal Extcap path").map(Path::to_owned).or_else(|| {
        named("Extcap path")?;
        Some(named("Personal configuration")?.join("extcap"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_names_its_folders() {
        let old =
            "Temp:\t/tmp\nPersonal configuration:\t/h/.config/wireshark\nExtcap path:\t/usr/lib/wireshark/extcap\n";
        assert_eq!(folder(old, false).unwrap(), Path::new("/usr/lib/wireshark/extcap"));
        assert_eq!(folder(old, true).unwrap(), Path::new("/h/.config/wireshark/extcap"));
        let new = "Personal configuration:\t/h/.config/wireshark\nPersonal Extcap path:\t/h/.local/lib/wireshark/extcap\n\
                   Global Extcap path:\t/usr/libexec/wireshark/extcap\n";
        assert_eq!(folder(new, false).unwrap(), Path::new("/usr/libexec/wireshark/extcap"));
        assert_eq!(folder(new, true).unwrap(), Path::new("/h/.local/lib/wireshark/extcap"));
        assert_eq!(folder("Temp:\t/tmp\n", false), None);
    }
}
