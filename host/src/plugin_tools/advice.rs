//! What an author can do about a plugin that cannot be used.

use serde::Serialize;

use crate::ack::FailureKind;
use crate::seam::StageFault;
use crate::wasm::PluginError;

/// Something wrong with a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// `error`; a warning does not make the plugin unusable.
    pub severity: &'static str,
    /// Stable, for programs.
    pub code: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Trouble {
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: "error", code, message: message.into(), help: Some(help.into()) }
    }

    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: "warning", ..Self::error(code, message, help) }
    }

    /// Why `plugin` does not load.
    #[must_use]
    pub fn of_load(plugin: &str, error: &PluginError) -> Self {
        let (code, help) = on_load(error);
        Self::error(code, format!("plugin `{plugin}`: {error}"), help)
    }

    /// For messages that hold nothing else.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        match &self.help {
            Some(help) => format!("{}; {help}", self.message),
            None => self.message.clone(),
        }
    }

    /// Why an instance did not start or a call went wrong. The fault names the plugin.
    #[must_use]
    pub fn of_fault(fault: &StageFault) -> Self {
        let (code, help) = on_fault(fault);
        Self::error(code, fault.text.clone(), help)
    }
}

fn on_load(error: &PluginError) -> (&'static str, &'static str) {
    match error {
        PluginError::TooLarge { .. } => (
            "too-large",
            "build it optimised and without debug information, or raise `limits = { file = … }` of the plugin",
        ),
        PluginError::NotWasm => {
            ("not-wasm", "name the `.wasm` file that the build made; `tidegate plugin build` says where it is")
        }
        PluginError::CoreModule => (
            "core-module",
            "a compiler's output is not a plugin yet: build it with `tidegate plugin build`, which makes the component",
        ),
        PluginError::Damaged { .. } => {
            ("damaged", "build it anew and copy the file whole; a copy under way looks like this, too")
        }
        PluginError::CompilesTooLong { .. } => {
            ("compile-time", "make it smaller, or raise `limits = { compile = … }` of the plugin")
        }
        PluginError::CompilersBusy => ("compilers-busy", "wait, or take away the plugins that compile for so long"),
        PluginError::NoTransform => (
            "no-transform",
            "export the interface `transform` with its functions `init` and `process`; `tidegate plugin new` shows how",
        ),
        PluginError::OtherContract { .. } => {
            ("other-contract", "build it against the `wit/` of this version; `tidegate plugin new` writes it")
        }
        PluginError::ImportNotOffered { .. } => (
            "unknown-import",
            "leave out what needs it: a plugin computes, logs and reads its message; files, network and clocks are not there",
        ),
        PluginError::OtherTypes { .. } => (
            "other-types",
            "the functions have other types than `wit/` says: make the bindings anew from it and do not change it",
        ),
        PluginError::DoesNotStart { .. } => (
            "does-not-start",
            "it fails before its first call: look at what runs at load time (global values, a language's start-up), or raise its limits",
        ),
        PluginError::Engine { .. } => ("engine", "this machine cannot run plugins"),
    }
}

fn on_fault(fault: &StageFault) -> (&'static str, &'static str) {
    if fault.text.contains("refused its configuration") {
        return ("config-refused", "mend the `config` of the rule, or pass the right one with --init-config");
    }
    if fault.text.contains("outcomes for") {
        return ("outcome-count", "`process` owes exactly one outcome for each message of the batch, in order");
    }
    if fault.text.contains("exited with status") {
        return ("exited", "a plugin must not end its process: give the outcome `fail` or an error from `init`");
    }
    match fault.kind {
        FailureKind::PluginTrap => {
            ("trapped", "a panic, an abort or bad memory access; answer bad input with the outcome `fail` instead")
        }
        FailureKind::PluginDeadline => ("deadline", "do less in one call, or raise `limits = { call = …, init = … }`"),
        FailureKind::PluginMemory => ("memory", "keep less, free what was used, or raise `limits = { memory = … }`"),
        FailureKind::PluginOutput => ("output", "answer less in one call, or raise `limits = { output = … }`"),
        FailureKind::PluginFailed
        | FailureKind::PluginRefused
        | FailureKind::BadTopic
        | FailureKind::TooManyTopics
        | FailureKind::TooLarge
        | FailureKind::TopicRefused
        | FailureKind::KafkaRejected => {
            ("bad-answer", "its answer breaks the contract; `wit/types.wit` says what each value may be")
        }
    }
}
