//! What keeps a defence from being made.

use std::path::PathBuf;

/// Why there is no such defence. Nothing was asked yet.
#[derive(Debug, thiserror::Error)]
pub enum DefenceError {
    /// No defence has this name.
    #[error("there is no defence {name:?}; there are {known}")]
    Unknown {
        /// What was named.
        name: String,
        /// What there is.
        known: String,
    },
    /// What was typed is no name with settings.
    #[error("--defence {typed}: {what}; it is written NAME:key=value,key=value")]
    Spec {
        /// What was typed.
        typed: String,
        /// What is wrong with it.
        what: String,
    },
    /// A setting cannot be what it is.
    #[error("defence {name}: {what}")]
    Setting {
        /// The defence.
        name: &'static str,
        /// Which setting, and why not.
        what: String,
    },
    /// No monitor has this name.
    #[error("there is no monitor {name:?}; there are {known}")]
    NoMonitor {
        /// What was named.
        name: String,
        /// What there is.
        known: String,
    },
    /// The monitor is no function of the first pass, so that nothing can be searched by its gradient.
    #[error("a search by gradient cannot follow the monitor {name}; it can follow {known}")]
    NoGradient {
        /// The monitor.
        name: &'static str,
        /// What can be followed.
        known: String,
    },
    /// A list of words by which a monitor reads a decode is none to this model.
    #[error("`{key}` has no word that this tokeniser has a token for and the other list does not have; give others")]
    Words {
        /// Which list.
        key: &'static str,
    },
    /// It needs an asset, and none is given.
    #[error(
        "defence {name} needs an asset: {what}; make one with `mosa defence fit {name}` and give it as {name}:asset=FILE"
    )]
    NoAsset {
        /// The defence.
        name: &'static str,
        /// What the asset is.
        what: &'static str,
    },
    /// Its asset cannot be made.
    #[error("defence {name}: {what}")]
    Fit {
        /// The defence.
        name: &'static str,
        /// What is missing or wrong.
        what: String,
    },
    /// The asset cannot be used.
    #[error("{}: {what}", path.display())]
    Asset {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The model.
    #[error(transparent)]
    Runtime(#[from] mosa_runtime::RuntimeError),
    /// A judge it asks.
    #[error(transparent)]
    Judge(#[from] mosa_judge::JudgeError),
    /// Text or template.
    #[error(transparent)]
    Text(#[from] mosa_text::TextError),
    /// The model itself.
    #[error(transparent)]
    Model(#[from] mosa_model::ModelError),
    /// Tensor library.
    #[error("tensor library: {0}")]
    Tensor(#[from] tch::TchError),
}
