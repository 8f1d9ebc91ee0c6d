//! Text that other parties wrote, made safe to print, and text that a shell reads.

pub mod hint;
pub mod names;
mod shown;

pub(crate) use shown::shown;

/// A name in a request is whatever its sender wrote; a terminal must not obey it.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if is_obeyed(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Control characters, and those of Unicode that are invisible or turn the direction of what follows.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What a server says, fit for a line on a terminal: in length too.
pub(crate) fn brief(text: &str) -> String {
    let start: String = text.trim().chars().take(300).collect();
    harmless(&start)
}
