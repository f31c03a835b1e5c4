// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON, written as it comes.

use std::fmt::Write;

use crate::printable;

/// An object that is being written.
pub struct Object {
    text: String,
}

impl Object {
    pub fn new() -> Self {
        Self {
            text: String::from("{"),
        }
    }

    fn key(&mut self, key: &str) -> &mut String {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        string(&mut self.text, key);
        self.text.push(':');
        &mut self.text
    }

    pub fn text(mut self, key: &str, value: &str) -> Self {
        string(self.key(key), value);
        self
    }

    /// A number, `true`, `false`, an array or an object: what is JSON already.
    pub fn raw(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        // Writing to a string does not fail.
        let _ = write!(self.key(key), "{value}");
        self
    }

    /// `null` where there is none.
    pub fn optional(self, key: &str, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.raw(key, value),
            None => self.raw(key, "null"),
        }
    }

    pub fn end(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

/// An array of what is JSON already.
pub fn array(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

/// A string as JSON, for [`Object::raw`] and [`Object::optional`].
pub fn quoted(value: &str) -> String {
    let mut text = String::new();
    string(&mut text, value);
    text
}

fn string(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Valid JSON would not need it for all of these, but JSON is looked at as well.
            c if printable::is_unsafe(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_json_escapes_what_it_must() {
        let text = Object::new()
            .text("a\"b", "x\n\u{1}\\é")
            .raw("n", 7)
            .optional("o", None::<u8>)
            .end();
        assert_eq!(text, r#"{"a\"b":"x\n\u0001\\é","n":7,"o":null}"#);
        let text = Object::new().text("k", "\u{202e}\u{9b}\u{e0041}").end();
        assert_eq!(text, r#"{"k":"\u202e\u009b\udb40\udc41"}"#);
        assert_eq!(array(["1".to_owned(), "{}".to_owned()]), "[1,{}]");
    }
}
