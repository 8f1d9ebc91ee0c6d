//! What a law is: a condition, and how it was broken.

/// How a law was broken.
pub(crate) type Broken = String;

/// Returns from the function with [`Broken`] unless the condition holds.
macro_rules! law {
    ($holds:expr) => {
        law!($holds, "")
    };
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            let what = format!($($what)+);
            return Err(format!("{}:{}: {}: {what}", file!(), line!(), stringify!($holds)));
        }
    };
}

/// A message of some words, with nothing in it that a terminal takes for more than text.
#[allow(
    dead_code,
    reason = "not every target of the fuzzer has a law about words"
)]
pub(crate) fn is_one_line(message: &str) -> bool {
    (1..500).contains(&message.chars().count())
        && !message.contains(char::is_control)
        && !message.ends_with('.')
}
