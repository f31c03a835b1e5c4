// SPDX-License-Identifier: MIT OR Apache-2.0
//! Completions: those of clap_complete, and additions to them: values of arguments that clap does
//! not check, lists with commas, and the names of windows.

use clap::builder::PossibleValuesParser;
use clap::Command;
use clap_complete::{generate, Shell};
use fanlight_cli::cmd;

const LEVELS: &str = "emerg alert crit err warn notice info debug";

/// Lists the names of windows by a glob.
const BASH: &str = r#"
# The names of all windows.
_fanlight_windows()
{
	local node
	for node in /dev/fanlight*/*; do
		[[ ! -e $node ]] || echo "${node##*/}"
	done
}

# The number of operands of `fanlight mem COMMAND` before the cursor, or nothing.
_fanlight_mem_operands()
{
	local i word words=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		-d | --device | -w | --width | -i | --interval | -n | --count) ((i++)) ;;
		-*) ;;
		*) words+=("$word") ;;
		esac
	done
	[[ ${words[0]} != mem || ${#words[@]} -lt 2 ]] || echo $((${#words[@]} - 2))
}

_fanlight_words()
{
	local cur=$2 prev=$3 head=
	# bash takes --option=value for three words.
	if [[ $cur == = ]]; then
		cur='' prev=${COMP_WORDS[COMP_CWORD - 1]}
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	# The last word of a list is completed.
	case $prev in
	-l | --level | -f | --facility)
		if [[ $cur == *,* ]]; then
			head=${cur%,*},
			cur=${cur##*,}
		fi
		;;
	esac
	if [[ $cur != -* && $prev != -* && $(_fanlight_mem_operands) == 0 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_fanlight_windows)" -- "$cur")
		return
	fi
	_fanlight "$1" "$cur" "$prev"
	COMPREPLY=("${COMPREPLY[@]/#/$head}")
}
"#;

const ZSH: &str = r#"
(( $+functions[_fanlight_windows] )) ||
_fanlight_windows() {
    local -a windows
    windows=(/dev/fanlight*/*(N:t))
    _describe -t windows 'window' windows
}
"#;

const FISH: &str = concat!(
    "\ncomplete -c fanlight -n \"__fish_seen_subcommand_from mem; and ",
    "__fish_seen_subcommand_from dump read write set clear watch save\" -f -a ",
    "\"(for node in /dev/fanlight*/*; string replace -r '.*/' '' $node; end)\"\n",
);

/// The command line, with the possible values of arguments.
fn command() -> Command {
    let mut command = cmd::command();
    command.build();
    for (path, argument, words) in cmd::words() {
        command = with_words(command, path, argument, &words);
    }
    command
}

fn with_words(
    command: Command,
    path: &[&'static str],
    argument: &'static str,
    words: &[&'static str],
) -> Command {
    match path {
        [] => command.mut_arg(argument, |arg| {
            arg.value_parser(PossibleValuesParser::new(words.iter().copied()))
        }),
        [first, rest @ ..] => {
            command.mut_subcommand(first, |deeper| with_words(deeper, rest, argument, words))
        }
    }
}

fn generated(shell: Shell) -> String {
    let mut text = Vec::new();
    generate(shell, &mut command(), "fanlight", &mut text);
    String::from_utf8(text).expect("clap_complete writes UTF-8")
}

/// Replaces a text that must exist.
fn replace(text: &str, old: &str, new: &str) -> String {
    assert!(
        text.contains(old),
        "clap_complete does not write {old:?} any more"
    );
    text.replace(old, new)
}

pub fn bash() -> String {
    let text = generated(Shell::Bash);
    let at = text
        .find("\nif [[ \"${BASH_VERSINFO")
        .expect("the registration");
    let (function, registration) = text.split_at(at);
    let registration = replace(registration, "-F _fanlight ", "-F _fanlight_words ");
    format!("{function}{BASH}{registration}")
}

pub fn zsh() -> String {
    let text = generated(Shell::Zsh);
    let text = replace(
        &text,
        "the path of its node:_default'",
        "the path of its node:_fanlight_windows'",
    );
    let text = replace(
        &text,
        &format!(":LIST:({LEVELS})'"),
        &format!(":LIST:_sequence compadd - {LEVELS}'"),
    );
    let at = text
        .find("\nif [ \"$funcstack[1]\"")
        .expect("the registration");
    let (functions, registration) = text.split_at(at);
    format!("{functions}{ZSH}{registration}")
}

pub fn fish() -> String {
    generated(Shell::Fish) + FISH
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use super::*;

    /// The completions of bash for a line, given as bash splits it into words.
    fn offered(words: &[&str]) -> Vec<String> {
        let list: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let (cur, prev) = (words[words.len() - 1], words[words.len() - 2]);
        let program = format!(
            "{}\nCOMP_WORDS=({}) COMP_CWORD={}\n\
             _fanlight_windows() {{ echo sram; echo scratch; }}\n\
             _fanlight_words fanlight '{cur}' '{prev}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
            bash(),
            list.join(" "),
            words.len() - 1
        );
        let output = Process::new("bash")
            .args(["--norc", "-c", &program])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.is_empty(), "{stderr}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn cli_completion_offers_commands_options_and_words() {
        assert_eq!(offered(&["fanlight", "l"]), ["list", "log"]);
        assert_eq!(offered(&["fanlight", "fb", "s"]), ["shot", "show"]);
        assert_eq!(offered(&["fanlight", "log", "wr"]), ["write"]);
        let levels = offered(&["fanlight", "log", "--level", "e"]);
        assert_eq!(levels, ["emerg", "err"]);
        let options = offered(&["fanlight", "log", "--fol"]);
        assert_eq!(options, ["--follow", "--follow-new"]);
        let options = offered(&["fanlight", "log", "write", "--l"]);
        assert_eq!(options, ["--level"]);
    }

    #[test]
    fn cli_completion_goes_on_behind_equals_signs_and_commas() {
        let levels = offered(&["fanlight", "log", "--level", "=", "w"]);
        assert_eq!(levels, ["warn"]);
        assert_eq!(offered(&["fanlight", "log", "--color", "="]).len(), 3);
        let levels = offered(&["fanlight", "log", "-l", "err,w"]);
        assert_eq!(levels, ["err,warn"]);
        let levels = offered(&["fanlight", "log", "--level", "=", "err,warn,n"]);
        assert_eq!(levels, ["err,warn,notice"]);
    }

    #[test]
    fn cli_completion_offers_windows_where_one_is_named() {
        assert_eq!(
            offered(&["fanlight", "mem", "dump", "s"]),
            ["sram", "scratch"]
        );
        let behind = offered(&["fanlight", "mem", "write", "-w", "2", "sr"]);
        assert_eq!(behind, ["sram"]);
        let offset = offered(&["fanlight", "mem", "dump", "sram", "s"]);
        assert!(!offset.contains(&"scratch".to_owned()), "{offset:?}");
    }

    /// The shells that are installed read their files without an error.
    #[test]
    fn cli_completion_is_read_by_zsh_and_fish() {
        for (shell, flag, text) in [("zsh", "-n", zsh()), ("fish", "--no-execute", fish())] {
            let path =
                std::env::temp_dir().join(format!("fanlight-{}.{shell}", std::process::id()));
            std::fs::write(&path, text).unwrap();
            if let Ok(output) = Process::new(shell).arg(flag).arg(&path).output() {
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(
                    output.status.success() && stderr.is_empty(),
                    "{shell}: {stderr}"
                );
            }
            std::fs::remove_file(&path).unwrap();
        }
    }
}
