//! What Tidegate lends a plugin, called for real.

use bindings::tidegate::plugin::{log as raw_log, properties};

use crate::log::Level;

pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "plugin",
        with: { "tidegate:plugin/types@0.1.0": crate::values },
        pub_export_macro: true,
        export_macro_name: "export_component",
    });
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => raw_log::Level::Trace,
        Level::Debug => raw_log::Level::Debug,
        Level::Info => raw_log::Level::Info,
        Level::Warn => raw_log::Level::Warn,
        Level::Error => raw_log::Level::Error,
    };
    raw_log::write(level, message);
}

pub(crate) use properties::{content_type, correlation_data, message_expiry, response_topic, user_properties};
