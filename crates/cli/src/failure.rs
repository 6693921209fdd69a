//! How a verb fails: one readable paragraph and an exit code.

use std::error::Error;
use std::fmt;
use std::path::Path;

/// Why a verb did not succeed.
#[derive(Debug)]
pub struct Failure {
    message: String,
    exit: u8,
    blame: Option<String>,
}

/// The result of a verb.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure in words of our own.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: 1, blame: None }
    }

    /// Says one thing more.
    #[must_use]
    pub fn adding(mut self, sentence: impl AsRef<str>) -> Self {
        self.message = format!("{}. {}", self.message.trim_end_matches('.'), sentence.as_ref());
        self
    }

    /// Says who is to blame, for `--json`.
    #[must_use]
    pub fn blaming(mut self, who: impl Into<String>) -> Self {
        self.blame = Some(who.into());
        self
    }

    /// A result that was told already and is not success.
    pub fn said(exit: u8) -> Self {
        Self { message: String::new(), exit, blame: None }
    }

    /// Whether there is nothing left to tell.
    pub fn is_said(&self) -> bool {
        self.message.is_empty()
    }

    /// With another exit code than 1.
    #[must_use]
    pub fn exiting_with(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }

    /// The process's exit code: 1, as snarkjs has it, where a verb does not say otherwise.
    pub fn exit_code(&self) -> u8 {
        self.exit
    }

    /// Who is to blame, where a peer is.
    pub fn blame(&self) -> Option<&str> {
        self.blame.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Characters of a message that are shown.
const LONGEST: usize = 900;

/// The error and its sources in one line; a source that the error already quotes is not said twice.
fn paragraph(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    // One paragraph, whatever a library below put into its message.
    let mut words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() > LONGEST {
        words = words.chars().take(LONGEST).chain("...".chars()).collect();
    }
    words
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(paragraph(&error))
    }
}

/// Says which file an error is about.
pub trait InFile<T> {
    /// Prefixes the error with the file's name.
    fn in_file(self, path: &Path) -> Outcome<T>;
}

impl<T, E: Error> InFile<T> for Result<T, E> {
    fn in_file(self, path: &Path) -> Outcome<T> {
        self.map_err(|e| Failure::new(format!("{}: {}", path.display(), paragraph(&e))))
    }
}
