//! What every linked shader text has, before a compiler sees it.

use std::collections::HashSet;

/// Every name is declared once, every bracket closed, and directives come first.
///
/// # Panics
/// Where that does not hold.
pub(crate) fn check(text: &str) {
    let mut names = HashSet::new();
    let (mut depth, mut directives) = (0_i32, true);
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default();
        if let Some(name) = declared(code).filter(|_| depth == 0) {
            assert!(names.insert(name), "{name} is declared twice");
        }
        let is_directive = code.starts_with("enable ") || code.starts_with("diagnostic(");
        assert!(
            !is_directive || directives,
            "a directive comes late: {code}"
        );
        directives &= is_directive || code.trim().is_empty();
        for letter in code.chars() {
            depth += match letter {
                '{' | '(' | '[' => 1,
                '}' | ')' | ']' => -1,
                _ => 0,
            };
            assert!(depth >= 0, "closed before it was opened: {line}");
        }
    }
    assert_eq!(depth, 0, "a bracket is open at the end");
    assert_eq!(text.matches("@compute").count(), 1, "entry points");
}

/// The name that a line declares.
fn declared(code: &str) -> Option<&str> {
    let variable = match code.strip_prefix('@') {
        Some(attributes) => attributes.split_once(" var<").map(|(_, rest)| rest),
        None => code.strip_prefix("var<"),
    };
    let rest = match variable {
        Some(rest) => rest.split_once("> ")?.1,
        None => ["fn ", "const ", "struct ", "alias "]
            .iter()
            .find_map(|keyword| code.strip_prefix(keyword))?,
    };
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    Some(&rest[..end.unwrap_or(rest.len())])
}
