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
//! What a rule may grant beyond reading messages: [state], [publish], [lookup], [clock], [metrics]. A plugin imports what
//! it uses, and Tidegate refuses it where its rule does not grant that. What a plugin may be besides: [`Describe`],
//! [`Timer`], [`Connection`].
//!
//! Three layers: this façade, the [values], and the raw calls, which have a native stand-in so that [testing] needs no
//! wasm toolchain.

pub mod clock;
mod glue;
pub mod log;
pub mod lookup;
mod message;
pub mod metrics;
mod occasions;
pub mod publish;
#[doc(hidden)]
pub mod raw;
pub mod state;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod values;

pub use message::{Batch, Message};
pub use occasions::{Connection, Describe, Description, Emission, Link, Moment, Timer};
pub use values::{Header, Outcome, Output};

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

/// Makes a [`Transform`] the plugin of this component. Once per crate. What it is besides is named behind a colon:
/// `export!(Plugin: Describe, Timer, Connection)`, any of them.
#[macro_export]
macro_rules! export {
    ($plugin:ty $(: $($also:ident),+ $(,)?)?) => {
        // Where nothing is exported, the plugin counts as used all the same.
        const _: fn(&str) -> ::std::result::Result<$plugin, ::std::string::String> = <$plugin as $crate::Transform>::new;

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "a component's exports have names that the linker must not change")]
        const _: () = {
            use ::std::cell::RefCell;
            use $crate::raw::layout::{Message, Span, Tagged};
            use $crate::raw::world::WORLD;
            use $crate::raw::{arena, exports};

            ::std::thread_local! {
                static PLUGIN: RefCell<::std::option::Option<$plugin>> = const { RefCell::new(::std::option::Option::None) };
            }

            #[used]
            #[unsafe(link_section = "component-type:tidegate:plugin")]
            static DESCRIPTION: [u8; WORLD.len()] = WORLD;

            #[unsafe(export_name = "cabi_realloc")]
            unsafe extern "C" fn reallocate(old: *mut u8, old_len: usize, align: usize, len: usize) -> *mut u8 {
                // SAFETY: the host keeps to the canonical ABI.
                unsafe { arena::reallocate(old, old_len, align, len) }
            }

            #[unsafe(export_name = "tidegate:plugin/transform@0.1.0#init")]
            unsafe extern "C" fn init(config: *const u8, len: usize) -> *const Tagged<'static> {
                // SAFETY: as above; the plugin sees the text during the call only.
                let config = unsafe { Span::given(config, len) };
                PLUGIN.with(|plugin| exports::init(plugin, config))
            }

            #[unsafe(export_name = "tidegate:plugin/transform@0.1.0#process")]
            unsafe extern "C" fn process(
                batch: *const Message<'static>,
                len: usize,
            ) -> *const Span<'static, Tagged<'static>> {
                // SAFETY: as above; the plugin sees the messages during the call only.
                let batch = unsafe { Span::given(batch, len) };
                PLUGIN.with(|plugin| exports::process(plugin, batch))
            }

            $($($crate::export_also!($also, $plugin, PLUGIN);)+)?
        };
    };
}

/// What `export!` adds for one of the names behind the colon.
#[doc(hidden)]
#[macro_export]
macro_rules! export_also {
    (Describe, $plugin:ty, $held:ident) => {
        #[used]
        #[unsafe(link_section = "component-type:tidegate:describe")]
        static DESCRIBE: [u8; $crate::raw::world::DESCRIBE.len()] = $crate::raw::world::DESCRIBE;

        #[unsafe(export_name = "tidegate:plugin/describe@0.1.0#describe")]
        extern "C" fn describe() -> *const $crate::raw::layout::Description<'static> {
            exports::describe::<$plugin>()
        }
    };
    (Timer, $plugin:ty, $held:ident) => {
        #[used]
        #[unsafe(link_section = "component-type:tidegate:timer")]
        static TIMER: [u8; $crate::raw::world::TIMER.len()] = $crate::raw::world::TIMER;

        #[unsafe(export_name = "tidegate:plugin/timer@0.1.0#interval-ms")]
        extern "C" fn interval_ms() -> u32 {
            $held.with(|plugin| exports::interval_ms(plugin))
        }

        #[unsafe(export_name = "tidegate:plugin/timer@0.1.0#tick")]
        extern "C" fn tick(now_ms: u64, lead: u32) -> *const Tagged<'static> {
            $held.with(|plugin| exports::tick(plugin, $crate::Moment { now_ms, lead: lead != 0 }))
        }
    };
    (Connection, $plugin:ty, $held:ident) => {
        #[used]
        #[unsafe(link_section = "component-type:tidegate:connection")]
        static CONNECTION: [u8; $crate::raw::world::CONNECTION.len()] = $crate::raw::world::CONNECTION;

        #[unsafe(export_name = "tidegate:plugin/connection@0.1.0#changed")]
        extern "C" fn changed(is_down: u32, resumed: u32, now_ms: u64, lead: u32) -> *const Tagged<'static> {
            let link = match is_down {
                0 => $crate::Link::Up { resumed: resumed != 0 },
                _ => $crate::Link::Down,
            };
            $held.with(|plugin| exports::changed(plugin, link, $crate::Moment { now_ms, lead: lead != 0 }))
        }
    };
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
