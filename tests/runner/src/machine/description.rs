// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads `board/NAME/machine.conf`. docs/porting.md describes the keys.
//!
//! ```text
//! # a comment
//! KEY = VALUE
//! ```

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use super::Machine;

/// The lines of a machine description.
struct Description(HashMap<String, String>);

impl Description {
    fn read(text: &str) -> Result<Self, String> {
        let mut values = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line
                .split_once(" = ")
                .ok_or_else(|| format!("line {}: not KEY = VALUE: {line}", number + 1))?;
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            if let Some(first) = values.insert(key.clone(), value) {
                return Err(format!(
                    "line {}: another {key}, which was {first}",
                    number + 1
                ));
            }
        }
        Ok(Self(values))
    }

    fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    fn text(&mut self, key: &str) -> Result<String, String> {
        self.take(key).ok_or_else(|| format!("{key} is missing"))
    }

    fn words(&mut self, key: &str) -> Vec<String> {
        let value = self.take(key).unwrap_or_default();
        value.split_whitespace().map(str::to_owned).collect()
    }

    fn number(&mut self, key: &str) -> Result<u64, String> {
        let value = self.text(key)?;
        let parsed = match value.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => value.parse(),
        };
        parsed.map_err(|_| format!("{key}: not a number: {value}"))
    }

    /// A number.
    fn count(&mut self, key: &str) -> Result<u32, String> {
        let value = self.number(key)?;
        u32::try_from(value).map_err(|_| format!("{key}: too large: {value}"))
    }
}

impl Machine {
    /// Reads the description of a board.
    pub fn read(name: &str) -> Result<Self, String> {
        let path = format!("board/{name}/machine.conf");
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("no board {name}: {path}: {error}"))?;
        Self::parse(name, &text).map_err(|error| format!("{path}: {error}"))
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut values = Description::read(text)?;
        // Keys that only the build uses.
        for key in [
            "options",
            "programs",
            "image",
            "kernel",
            "kernel-from",
            "modules",
            "slow",
            "entry",
            "variants",
            "carveouts",
            "address-cells",
            "size-cells",
        ] {
            values.take(key);
        }
        let console = values.text("console")?;
        let machine = Self {
            name: name.to_owned(),
            arch: values.take("arch").unwrap_or_else(|| "arm".into()),
            emulator: values
                .take("emulator")
                .unwrap_or_else(|| "qemu-system-arm".into()),
            qemu: values.words("qemu"),
            tree: values.words("trees").first().map(PathBuf::from),
            disk: values.words("disk"),
            root: values.count("root")?,
            fixed_smp: values.take("smp-max").is_none(),
            smp: values.count("smp")?,
            memory: values.count("memory")?,
            logged_console: values
                .take("logged-console")
                .unwrap_or_else(|| console.clone()),
            console,
            append: values.take("append").unwrap_or_default(),
            control: values.text("control")?,
            terminal: values.words("terminal"),
            wires: values.words("wires"),
            ram: values.number("ram")?,
            boots: values.words("boots"),
        };
        if machine.qemu.is_empty() {
            return Err("qemu is missing".into());
        }
        match values.0.keys().min() {
            Some(key) => Err(format!("unknown key {key}")),
            None => Ok(machine),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Machine;

    /// A description that has every key that is needed.
    const LEAST: &str = "# a board\nqemu = abc -cpu x\nsmp = 4\nmemory = 256\nconsole = ttyS0\n\
                         control = /dev/ttyS1\nroot = 2\nram = 0x40000000\n";

    fn error(text: &str) -> String {
        Machine::parse("test", text).err().unwrap_or_default()
    }

    #[test]
    fn build_machine_description_is_read() {
        let machine = Machine::parse(
            "test",
            &format!("{LEAST}smp-max = 8\nboots = a b\nappend = c d\n"),
        )
        .unwrap();
        assert_eq!(machine.qemu, ["abc", "-cpu", "x"]);
        assert_eq!(machine.ram, 0x4000_0000);
        assert_eq!(machine.logged_console, "ttyS0");
        assert_eq!(machine.boots, ["a", "b"]);
        assert_eq!(machine.append, "c d");
        assert_eq!(machine.processors(6), 6);
        assert_eq!(Machine::parse("test", LEAST).unwrap().processors(6), 4);
    }

    /// The boots of each board exist.
    #[test]
    fn build_machine_descriptions_of_all_boards_can_be_read() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let known = crate::boots::read(&root.join("tests/boots")).unwrap();
        let boards = std::fs::read_dir(root.join("board")).unwrap();
        let paths = boards.map(|entry| entry.unwrap().path().join("machine.conf"));
        let texts = paths.filter_map(|path| std::fs::read_to_string(path).ok());
        let machines: Vec<_> = texts
            .map(|text| Machine::parse("test", &text).unwrap())
            .collect();
        assert!(machines.len() >= 3);
        for boot in machines.iter().flat_map(|machine| &machine.boots) {
            assert!(known.iter().any(|other| other.name == *boot), "{boot}");
        }
        // Each boot has a board.
        for boot in known {
            let joins = |machine: &Machine| machine.boots.contains(&boot.name);
            assert!(machines.iter().any(joins), "{}", boot.name);
        }
    }

    /// The build of a kernel makes the trees that its board names.
    #[test]
    fn build_board_with_the_kernel_of_another_one_finds_its_tree_there() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../board");
        let read = |board: &str| {
            let text = std::fs::read_to_string(root.join(board).join("machine.conf")).unwrap();
            super::Description::read(&text).unwrap()
        };
        let mut found = 0;
        for entry in std::fs::read_dir(&root).unwrap() {
            let board = entry.unwrap().file_name().into_string().unwrap();
            if !root.join(&board).join("machine.conf").exists() {
                continue;
            }
            let mut own = read(&board);
            let Some(kernel) = own.take("kernel") else {
                continue;
            };
            let built = read(&kernel).words("trees");
            assert!(
                own.words("trees").iter().all(|tree| built.contains(tree)),
                "{board}"
            );
            found += 1;
        }
        assert!(found >= 2);
    }

    #[test]
    fn build_machine_description_errors_name_the_key() {
        assert_eq!(error(&LEAST.replace("smp = 4\n", "")), "smp is missing");
        assert_eq!(
            error(&format!("{LEAST}colour = red\n")),
            "unknown key colour"
        );
        assert_eq!(
            error(&LEAST.replace("256", "much")),
            "memory: not a number: much"
        );
        assert_eq!(error("qemu\n"), "line 1: not KEY = VALUE: qemu");
        assert_eq!(
            error(&format!("{LEAST}root = 1\n")),
            "line 9: another root, which was 2"
        );
    }
}
