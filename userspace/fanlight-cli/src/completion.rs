// SPDX-License-Identifier: MIT OR Apache-2.0
//! The completion for bash, made from the command table.

use std::io::Write;

use crate::error::Result;
use crate::output;
use crate::table::{Command, Opt, Value, FANLIGHT};

const HEAD: &str = r#"# bash completion for fanlight; made by `fanlight --generate bash`
_fanlight()
{
	local cur prev words cword path='' word i
	if declare -F _init_completion >/dev/null; then
		_init_completion -n = || return
	else
		cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
		words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
	fi
	# The command that the words before the cursor name.
	for ((i = 1; i < cword; i++)); do
		word=${words[i]}
		case "$path/$word" in
"#;

const WINDOWS: &str = r#"$(for f in /dev/fanlight*/*; do [ -e "$f" ] && echo "${f##*/}"; done)"#;

const TAIL: &str = r#"	esac
} &&
complete -F _fanlight fanlight
"#;

/// Prints the completion.
pub fn bash() -> Result<()> {
    let mut out = output::stdout();
    out.write_all(script().as_bytes())?;
    Ok(out.flush()?)
}

fn script() -> String {
    let mut commands = Vec::new();
    collect(&FANLIGHT, String::new(), &mut commands);

    let mut script = HEAD.to_owned();
    let names: Vec<&str> = commands
        .iter()
        .map(|(path, _)| path.as_str())
        .filter(|path| !path.is_empty())
        .collect();
    script.push_str(&format!(
        "\t\t{}) path=$path/$word ;;\n\t\tesac\n\tdone\n",
        names.join("|")
    ));

    script.push_str("\tcase \"$path:$prev\" in\n");
    for (path, command) in &commands {
        for option in command.all_options() {
            if let (Some((_, value)), false) = (option.value, option.loose) {
                script.push_str(&format!(
                    "\t{}) {}; return ;;\n",
                    switches(path, option),
                    reply(value)
                ));
            }
        }
    }
    script.push_str("\tesac\n\tcase \"$path:$cur\" in\n");
    for (path, command) in &commands {
        for option in command.all_options() {
            if let (Some((_, Value::Words(words))), true) = (option.value, option.loose) {
                let long = option.long;
                let words: Vec<String> = words
                    .iter()
                    .map(|word| format!("--{long}={word}"))
                    .collect();
                script.push_str(&format!(
                    "\t{path}:--{long}=*) {}; return ;;\n",
                    compgen(&format!("-W '{}'", words.join(" ")))
                ));
            }
        }
        let longs: Vec<String> = command
            .all_options()
            .map(|option| format!("--{}", option.long))
            .collect();
        script.push_str(&format!(
            "\t{path}:-*) {} ;;\n",
            compgen(&format!("-W '{}'", longs.join(" ")))
        ));
        let names: Vec<&str> = command
            .commands
            .iter()
            .map(|command| command.name)
            .collect();
        let operand = command.operands.first().map(|operand| operand.value);
        let reply = match operand {
            None | Some(Value::Text) => compgen(&format!("-W '{}'", names.join(" "))),
            Some(value) => reply(value),
        };
        script.push_str(&format!("\t{path}:*) {reply} ;;\n"));
    }
    script.push_str(TAIL);
    script
}

fn collect(command: &'static Command, path: String, into: &mut Vec<(String, &'static Command)>) {
    into.push((path.clone(), command));
    for deeper in command.commands {
        collect(deeper, format!("{path}/{}", deeper.name), into);
    }
}

/// `/log:-l|/log:--level`
fn switches(path: &str, option: &Opt) -> String {
    let long = format!("{path}:--{}", option.long);
    match option.short {
        Some(short) => format!("{path}:-{short}|{long}"),
        None => long,
    }
}

fn compgen(what: &str) -> String {
    format!("mapfile -t COMPREPLY < <(compgen {what} -- \"$cur\")")
}

fn reply(value: Value) -> String {
    match value {
        Value::Text => "COMPREPLY=()".to_owned(),
        Value::File => compgen("-f"),
        Value::Device => compgen("-W \"$(ls -d /dev/fanlight* 2>/dev/null)\" -f"),
        Value::Window => compgen(&format!("-W \"{WINDOWS}\"")),
        Value::Words(words) => compgen(&format!("-W '{}'", words.join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use super::*;

    /// What bash offers for a line.
    fn offered(words: &[&str]) -> Vec<String> {
        let list: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let program = format!(
            "{}\nCOMP_WORDS=({}) COMP_CWORD={}\n_fanlight\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script(),
            list.join(" "),
            words.len() - 1
        );
        let output = Process::new("bash")
            .args(["--norc", "-c", &program])
            .output()
            .unwrap();
        assert!(
            output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn cli_completion_offers_commands_options_and_words() {
        assert_eq!(offered(&["fanlight", "l"]), ["list", "log"]);
        assert_eq!(offered(&["fanlight", "fb", "s"]), ["shot", "show"]);
        assert_eq!(
            offered(&["fanlight", "fb", "pattern", "gr"]),
            ["grid", "gradient"]
        );
        assert_eq!(
            offered(&["fanlight", "log", "--fol"]),
            ["--follow", "--follow-new"]
        );
        assert_eq!(
            offered(&["fanlight", "-d", "1", "log", "--level", "e"]),
            ["emerg", "err"]
        );
        assert_eq!(
            offered(&["fanlight", "log", "--color=a"]),
            ["--color=auto", "--color=always"]
        );
        assert_eq!(offered(&["fanlight", "log", "wr"]), ["write"]);
    }
}
