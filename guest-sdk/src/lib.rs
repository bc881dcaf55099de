//! Write Tidegate plugins in Rust.
//!
//! A plugin is a type with two functions: `new` takes the rule's configuration, `process` says what becomes of a message.
//!
//! ```
//! use tidegate_guest_sdk::{Message, Outcome, Transform, export};
//!
//! /// Adds a prefix to each payload and filters empty ones out.
//! struct Prefix(Vec<u8>);
//!
//! impl Transform for Prefix {
//!     fn new(config: &str) -> Result<Self, String> {
//!         Ok(Self(config.as_bytes().to_vec()))
//!     }
//!
//!     fn process(&mut self, message: Message<'_>) -> Outcome {
//!         match message.payload() {
//!             [] => Outcome::Drop,
//!             payload => Outcome::Replace([&self.0, payload].concat()),
//!         }
//!     }
//! }
//!
//! export!(Prefix);
//! # use tidegate_guest_sdk::testing::{Harness, Input};
//! # let mut plugin = Harness::<Prefix>::new("a-").unwrap();
//! # assert_eq!(plugin.process(&Input::new("t", "b")), Outcome::Replace(b"a-b".to_vec()));
//! ```
//!
//! Cargo builds the component in one step: crate type `cdylib`, target `wasm32-unknown-unknown`, linker
//! `wasm-component-ld` (it comes with the toolchain). `README.md` shows the three files.
//!
//! Three layers: this façade, the [values], and the raw calls, which have a native stand-in so that [testing] needs no
//! wasm toolchain.

mod glue;
pub mod log;
mod message;
mod raw;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod values;

pub use message::{Batch, Message};
pub use values::{Header, Outcome, Output};

#[doc(hidden)]
pub mod __private {
    pub use crate::glue::{init, process};
    #[cfg(target_family = "wasm")]
    pub use crate::raw::{Guest, bindings, export_component};
    pub use crate::values::{Message, Outcome};
}

/// What a plugin is.
pub trait Transform: Sized + 'static {
    /// Makes the plugin from the rule's `config` table, which arrives as JSON; empty where the rule has none. With the
    /// feature `json`, [`config_from_json`] turns it into a serde type.
    ///
    /// # Errors
    /// What is wrong with the configuration, in the words of whoever wrote the rule. The rule is then refused.
    fn new(config: &str) -> Result<Self, String>;

    /// Says what becomes of one message. A panic ends this copy of the plugin and sets the message aside.
    fn process(&mut self, message: Message<'_>) -> Outcome;

    /// The messages that arrived together, one outcome each, in order. Override it where knowing them together helps.
    fn process_batch(&mut self, batch: Batch<'_>) -> Vec<Outcome> {
        batch.iter().map(|message| self.process(message)).collect()
    }
}

/// The configuration as a serde type. An empty one counts as `{}`, so that defaults apply.
///
/// # Errors
/// Where and why it does not fit.
#[cfg(feature = "json")]
pub fn config_from_json<T: serde::de::DeserializeOwned>(config: &str) -> Result<T, String> {
    let config = if config.trim().is_empty() { "{}" } else { config };
    serde_json::from_str(config).map_err(|error| format!("configuration: {error}"))
}

/// Makes a [`Transform`] the plugin of this component. Once per crate.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            ::std::thread_local! {
                static PLUGIN: ::std::cell::RefCell<::std::option::Option<$plugin>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }

            struct Exported;

            impl $crate::__private::Guest for Exported {
                fn init(config: ::std::string::String) -> ::std::result::Result<(), ::std::string::String> {
                    PLUGIN.with_borrow_mut(|plugin| $crate::__private::init(plugin, &config))
                }

                fn process(
                    batch: ::std::vec::Vec<$crate::__private::Message>,
                ) -> ::std::vec::Vec<$crate::__private::Outcome> {
                    PLUGIN.with_borrow_mut(|plugin| $crate::__private::process(plugin, &batch))
                }
            }

    $crate::__private::export_component!(Exported with_types_in $crate::__private::bindings);
        };
    };
}
