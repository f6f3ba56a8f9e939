//! The endpoint of a model that is measured, from flags and a file.

use crate::args::EndpointArgs;
use crate::interrupt;
use crate::settings::{SettingsFile, key_of};
use anyhow::{Result, ensure};
use mosa_client::{Endpoint, EndpointSettings};
use std::sync::Arc;

/// Opens the endpoint; by flags alone, with `concurrency` requests at the same time.
pub(crate) fn open(args: &EndpointArgs, concurrency: usize) -> Result<Arc<Endpoint>> {
    let file = args.target_config.as_deref().map(SettingsFile::open).transpose()?;
    let settings = settings(args, file.as_ref(), concurrency)?;
    let endpoint = Endpoint::new(settings).map_err(|error| {
        let key = key_of(&error);
        let by_flag =
            (key == Some("base") && args.endpoint.is_some()) || (key == Some("model") && args.target_model.is_some());
        match &file {
            Some(file) if !by_flag => file.wrong(file.from(""), key, error),
            _ => error.into(),
        }
    })?;
    Ok(Arc::new(endpoint.stopped_by(interrupt::stop())))
}

/// What a manifest calls the model.
pub(crate) fn name(settings: &EndpointSettings) -> String {
    format!("{} at {}", settings.model, settings.base)
}

/// What an endpoint is not sent as usual, in words; nothing if it is.
pub(crate) fn sent_otherwise(settings: &EndpointSettings) -> Option<String> {
    let omitted = (!settings.omit.is_empty()).then(|| format!("without {}", settings.omit.join(", ")));
    let role = (settings.system_role != "system").then(|| format!("system texts: {}", settings.system_role));
    let all: Vec<String> = omitted.into_iter().chain(role).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The file's settings, and what flags say above them.
fn settings(args: &EndpointArgs, file: Option<&SettingsFile>, concurrency: usize) -> Result<EndpointSettings> {
    let mut settings = match file {
        Some(file) => file.read("the settings of an endpoint")?,
        None => EndpointSettings { max_concurrency: concurrency.max(1), ..EndpointSettings::default() },
    };
    for (setting, flag) in [(&mut settings.base, &args.endpoint), (&mut settings.model, &args.target_model)] {
        if let Some(value) = flag {
            setting.clone_from(value);
        }
    }
    ensure!(
        !settings.base.is_empty() && !settings.model.is_empty(),
        "name a target: --model DIR, or --endpoint URL with --target-model NAME"
    );
    Ok(settings)
}
