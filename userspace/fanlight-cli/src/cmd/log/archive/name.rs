// SPDX-License-Identifier: MIT OR Apache-2.0
//! The names of filed logs.

use super::super::boot_id::BootId;

/// The parts of a file's name except the date: `fanlight0-20261120T133633Z-BOOT-panic.log`.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// The instance: two instances can have logs of the same boot.
    pub instance: String,
    pub boot: String,
    pub ending: String,
}

impl Name {
    /// The name, with the date of the last record if it is known.
    pub fn file(&self, date: Option<&str>) -> String {
        let date = date.map(|date| format!("{date}-")).unwrap_or_default();
        format!("{}-{date}{}-{}.log", self.instance, self.boot, self.ending)
    }

    pub fn is_of_the_boot_of(&self, other: &Self) -> bool {
        (&self.instance, &self.boot) == (&other.instance, &other.boot)
    }

    /// Parses a name; `None` for other files than those of the archive.
    pub fn of(file: &str) -> Option<Self> {
        let (instance, rest) = file.strip_suffix(".log")?.split_once('-')?;
        let (rest, ending) = rest.rsplit_once('-')?;
        instance.strip_prefix("fanlight")?.parse::<u32>().ok()?;
        let is_boot = |boot: &str| {
            let hash = boot.strip_prefix('x');
            BootId::parse(boot).is_some_and(|id| id.to_string() == boot)
                || hash.is_some_and(|hash| {
                    hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                })
        };
        let boot = match rest.split_once('-') {
            Some((date, boot)) if date.ends_with('Z') && is_boot(boot) => boot,
            _ if is_boot(rest) => rest,
            _ => return None,
        };
        matches!(ending, "panic" | "clean" | "reset" | "unknown" | "none").then(|| Self {
            instance: instance.to_owned(),
            boot: boot.to_owned(),
            ending: ending.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_archive_names_say_boot_and_ending() {
        const BOOT: &str = "0fb8a0b2-d94a-4d1b-8a2b-8e0a0f6a3c1";
        let name = Name {
            instance: "fanlight0".into(),
            boot: format!("{BOOT}1"),
            ending: "panic".into(),
        };
        let dated = name.file(Some("20261120T133633Z"));
        assert_eq!(
            dated,
            format!("fanlight0-20261120T133633Z-{BOOT}1-panic.log")
        );
        assert_eq!(Name::of(&dated).as_ref(), Some(&name));
        assert_eq!(Name::of(&name.file(None)), Some(name));
        let hash = Name::of("fanlight12-x0123456789abcdef-reset.log").unwrap();
        assert_eq!(
            (hash.instance.as_str(), hash.boot.as_str()),
            ("fanlight12", "x0123456789abcdef")
        );
        for other in [
            "fanlight.log",
            "fanlight0-panic.log",
            "fanlight0-notes-panic.log",
            "fanlight0-x0123-panic.log",
            "fanlight-x0123456789abcdef-reset.log",
            "syslog0-x0123456789abcdef-reset.log",
            "fanlight0-x0123456789abcdef-reset.log.1",
            "fanlight0-x0123456789abcdef-crash.log",
        ] {
            assert_eq!(Name::of(other), None, "{other}");
        }
    }
}
