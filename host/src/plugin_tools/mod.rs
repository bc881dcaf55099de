//! What plugin authors work with: a new plugin written from a template (`templates`), built by its language's own tools
//! (`build`) and made a component (`component`); a plugin's file looked into (`anatomy`), read and loaded with advice
//! where that fails (`subject`), tried against its cases (`cases`) and measured (`bench`).

pub mod advice;
pub mod anatomy;
pub mod bench;
pub mod build;
pub mod cases;
mod compare;
pub mod compiler;
mod component;
pub mod language;
#[cfg(test)]
mod mistakes;
pub mod subject;
pub mod templates;
mod texts;
