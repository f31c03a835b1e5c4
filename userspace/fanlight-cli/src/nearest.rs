// SPDX-License-Identifier: MIT OR Apache-2.0
//! "Did you mean": finds the word that is most similar to a mistyped one.

/// The suggestion at the end of an error, or an empty string if no word is similar: a third of the
/// letters may be missing, wrong or swapped, and one letter in short words.
pub fn hint<'a>(typed: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    let limit = (typed.len() / 3).max(1).min(typed.len().saturating_sub(1));
    let near = words
        .into_iter()
        .map(|word| (strsim::osa_distance(typed, word), word));
    match near.min_by_key(|(distance, _)| *distance) {
        Some((distance, word)) if distance <= limit => format!("; did you mean '{word}'?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_nearest_word_is_suggested() {
        let words = ["emerg", "err", "warn", "notice"];
        assert_eq!(hint("wran", words), "; did you mean 'warn'?");
        assert_eq!(hint("notise", words), "; did you mean 'notice'?");
        assert_eq!(hint("lgo", ["list", "log"]), "; did you mean 'log'?");
        assert_eq!(hint("xyz", words), "");
        assert_eq!(hint("x", ["y"]), "");
        assert_eq!(hint("", words), "");
    }
}
