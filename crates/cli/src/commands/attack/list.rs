//! `mosa attack list`: what there is.

use crate::output;
use crate::table::header;
use anyhow::Result;
use mosa_attack::{ATTACKS, Profile};
use serde_json::Map;

/// Every attack, what it needs, and the most a behaviour can cost by profile.
pub(crate) fn print() -> Result<()> {
    let names = ["attack", "needs of the target", "helper roles", "queries paper / standard / smoke"];
    let mut rows = vec![header(&names)];
    for row in ATTACKS {
        let made = |p| row.make(p, false, &Map::new()).map_err(|what| anyhow::anyhow!(what));
        let paper = made(Profile::Paper)?;
        let needs = paper.needs();
        let or_dash = |list: Vec<&str>| if list.is_empty() { "text".to_owned() } else { list.join(", ") };
        rows.push(vec![
            row.name.to_owned(),
            or_dash(needs.abilities.iter().map(|a| a.name()).collect()),
            if needs.roles.is_empty() { "-".to_owned() } else { needs.roles.join(", ") },
            format!(
                "{} / {} / {}",
                paper.cost().queries,
                made(Profile::Standard)?.cost().queries,
                made(Profile::Smoke)?.cost().queries
            ),
        ]);
    }
    Ok(output::line(&output::table(&rows))?)
}
