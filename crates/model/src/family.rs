//! How a family of models is read.

use crate::keys::Keys;
use crate::{ModelConfig, ModelError};

/// How the checkpoints of a family are read. A family is one value of this, in a file of its own.
#[derive(Clone, Copy, Debug)]
pub struct FamilyReader {
    /// What `architectures` of its config.json says.
    pub architectures: &'static [&'static str],
    /// The models it stands for, for people.
    pub models: &'static str,
    /// Keys that other families have at the value only at which they change nothing, and that this one computes with.
    pub computes: &'static [&'static str],
    /// Reads the shape of the model. What it refuses, it refuses by key.
    pub read: fn(&Keys<'_>) -> Result<ModelConfig, ModelError>,
}
