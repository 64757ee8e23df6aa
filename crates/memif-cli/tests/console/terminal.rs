//! What the tests of the console ask a terminal for.

use testkit::Terminal;

/// Starts `memif` with arguments that are separated by spaces, on a terminal on which nothing is scrolled away.
pub(crate) fn start(arguments: &str) -> Terminal {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    Terminal::start(env!("CARGO_BIN_EXE_memif"), &arguments, (160, 400), &[])
}

pub(crate) trait Console {
    /// Waits for the prompt after the banner.
    fn prompt(&mut self);

    /// Types `show`, and gives what it printed when that is whole: it ends with that index.
    fn show(&mut self, free: u8) -> Vec<String>;

    /// Waits until the screen ends with those two lines.
    fn last_two(&mut self, one: &str, other: &str);
}

impl Console for Terminal {
    #[track_caller]
    fn prompt(&mut self) {
        self.wait_for("the prompt", |lines| {
            let banner = lines.iter().any(|line| line.contains("rx-mode <index>"));
            (banner && lines.last().is_some_and(|last| last == "#")).then_some(())
        });
    }

    #[track_caller]
    fn show(&mut self, free: u8) -> Vec<String> {
        let before = self.lines().len();
        self.keys("show\r");
        let end = [format!("interface index: {free}"), "        no connection".to_owned()];
        self.wait_for("the details", |lines| {
            let printed = lines.get(before..)?;
            let first = printed.iter().position(|line| line == "MEMIF DETAILS")?;
            let last = printed.windows(2).position(|pair| pair == end)?;
            printed.get(first..last + 2).map(<[String]>::to_vec)
        })
    }

    #[track_caller]
    fn last_two(&mut self, one: &str, other: &str) {
        self.wait_for(one, |lines| {
            let last = lines.get(lines.len().checked_sub(2)?..)?;
            (last == [one, other]).then_some(())
        });
    }
}
