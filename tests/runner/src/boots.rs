// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of boots that the guest tests need: `tests/boots`.
//!
//! A line has the name of a boot and its settings:
//!
//! ```text
//! NAME [like=NAME] [smp=2] [memory=512] [loglevel=4] [append=quiet] [dt=a.dtso,b.dtso]
//!      [tests=window_,fb_] [timeout=1800] [slow=yes] [data=yes]
//! ```
//!
//! The machine description of a board lists the boots that it joins. The tests list the boots that
//! they belong to; `like` makes a boot with some of the tests of another one. With `data=yes`, a
//! boot has the disk that `--data` names; the others have a blank one. `loglevel` is the console's:
//! 8 unless a boot has another one, so that the console's file has every message. `append` adds a
//! word to the kernel's command line, and may be given several times.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::options::Options;

/// One boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    pub name: String,
    /// The boot whose tests it has, of those with the prefixes.
    like: Option<String>,
    smp: Option<u32>,
    memory: Option<u32>,
    loglevel: Option<u32>,
    overlays: Vec<PathBuf>,
    append: Vec<String>,
    /// The prefixes of the names of its tests; empty: all tests.
    prefixes: Vec<String>,
    timeout: Option<u64>,
    slow: bool,
    data: bool,
}

impl Boot {
    fn read(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let mut boot = Self {
            name: words.next().unwrap_or_default().to_owned(),
            ..Self::default()
        };
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let list = || value.split(',').map(str::to_owned);
            let number = || value.parse().map_err(|_| format!("not a number: {word}"));
            match key {
                "like" => boot.like = Some(value.to_owned()),
                "smp" => boot.smp = Some(number()?),
                "loglevel" => boot.loglevel = Some(number()?),
                "memory" => boot.memory = Some(number()?),
                "dt" => boot.overlays = list().map(PathBuf::from).collect(),
                "append" => boot.append.push(value.to_owned()),
                "tests" => boot.prefixes = list().collect(),
                "timeout" => boot.timeout = Some(number()?.into()),
                "data" => boot.data = value == "yes",
                "slow" => boot.slow = value == "yes",
                _ => return Err(format!("unknown word {word}")),
            }
        }
        Ok(boot)
    }

    /// Whether this boot may have a test that the filter selects.
    pub fn wanted(&self, options: &Options) -> bool {
        let filter = &options.filter;
        let meets = |prefix: &String| prefix.starts_with(filter) || filter.starts_with(prefix);
        let named =
            self.prefixes.is_empty() || !filter.contains('_') || self.prefixes.iter().any(meets);
        let here = options.target.machine.boots.contains(&self.name);
        named && here && (options.slow || !self.slow) && (options.data.is_some() || !self.data)
    }

    /// The prefixes of this boot that no test's name has.
    pub fn without_test<'a>(&'a self, names: &[&str]) -> Vec<&'a str> {
        let prefixes = self.prefixes.iter().map(String::as_str);
        prefixes
            .filter(|prefix| !names.iter().any(|name| name.starts_with(prefix)))
            .collect()
    }

    /// The options of this boot.
    pub fn options(&self, common: &Options) -> Options {
        let mut options = common.clone();
        options.results = common.results.join(&self.name);
        options.data = common.data.clone().filter(|_| self.data);
        options.smp = self.smp.unwrap_or(common.smp);
        options.memory = self.memory.unwrap_or(common.memory);
        options.loglevel = self.loglevel.or(common.loglevel);
        options.overlays.extend(self.overlays.iter().cloned());
        for word in &self.append {
            options.append.push(' ');
            options.append.push_str(word);
        }
        options.timeout = Duration::from_secs(self.timeout.unwrap_or(1800));
        let slow = if common.slow { "--slow " } else { "" };
        options.command = format!("fanlight-guest-tests {slow}--boot ");
        match &self.like {
            Some(like) => {
                let prefixes = self.prefixes.join(",");
                options.command += &format!("{like} --prefixes {prefixes} ");
            }
            None => options.command += &format!("{} ", self.name),
        }
        options.command += &common.filter;
        options
    }
}

/// Reads the table.
pub fn read(path: &Path) -> Result<Vec<Boot>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Boot>, String> {
    text.lines()
        .enumerate()
        .map(|(number, line)| (number, line.split('#').next().unwrap_or_default().trim()))
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| {
            Boot::read(line).map_err(|error| format!("line {}: {error}", number + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_boot_table_is_read() {
        let boots = parse(
            "# a comment\n\npanic like=other smp=1 loglevel=4 dt=a.dtso,b.dtso append=panic=1 \
             append=quiet slow=yes # why\n",
        );
        let boots = boots.unwrap();
        assert_eq!(boots.len(), 1);
        assert_eq!(boots[0].name, "panic");
        assert_eq!(boots[0].like.as_deref(), Some("other"));
        assert_eq!(boots[0].smp, Some(1));
        assert_eq!(boots[0].loglevel, Some(4));
        assert_eq!(boots[0].append, ["panic=1", "quiet"]);
        assert_eq!(boots[0].overlays.len(), 2);
        assert!(boots[0].slow);
    }

    #[test]
    fn build_boot_table_errors_name_the_line() {
        assert_eq!(
            parse("a\nb colour=red\n").unwrap_err(),
            "line 2: unknown word colour=red"
        );
    }
}
