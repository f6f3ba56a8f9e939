//! The roster: what every arm is made of, and what it has that the paper has not.

use super::Findings;
use super::arms::{Alignment, Arm, Guarded, How, Sentences};
use mosa_report::{Block, Cell, Table};

/// A row for every arm.
pub(super) fn table(f: &Findings) -> Block {
    let row = |arm: &&Arm| {
        let (how, data) = match &arm.how {
            How::AsItIs => ("as it was trained on the corpus of the world".to_owned(), "–".to_owned()),
            How::Aligned(alignment) => (objective(alignment), learnt(alignment)),
            How::Defended(guarded) => (defence(guarded), fitted(guarded)),
        };
        let beyond = match arm.beyond {
            "" => "–",
            beyond => beyond,
        };
        let seeds = f.of_arm(arm.name).filter_map(|m| Some(m.seed?.to_string())).collect::<Vec<_>>().join(", ");
        vec![
            Cell::from(arm.title),
            Cell::from(how),
            Cell::from(data),
            Cell::from(beyond),
            Cell::from(if seeds.is_empty() { "–".to_owned() } else { seeds }),
        ]
    };
    Block::Table(Table {
        caption: "The arms of the comparison. The paper leaves open whether its reward R sums or averages over the \
                  sentence: both are arms. What goes beyond it is said of the arms that are the paper's or grew out of \
                  it."
        .into(),
        header: ["arm", "objective and recipe", "learns from", "beyond the paper", "seeds"].map(str::to_owned).to_vec(),
        rows: f.arms().iter().map(row).collect(),
    })
}

fn objective(alignment: &Alignment) -> String {
    let set: String = alignment.set.iter().map(|set| format!(", {set}")).collect();
    format!("{}, recipes/{}{set}", alignment.objective, alignment.recipe)
}

fn learnt(alignment: &Alignment) -> String {
    let sentences = match alignment.sentences {
        Sentences::Neither => None,
        Sentences::Safe => Some("safe sentences"),
        Sentences::Both => Some("safe and harmful sentences"),
    };
    let retained = alignment.retains.then_some("harmless prompts");
    let judge = alignment.judge.map(|judge| format!("rewarded by the judge {judge}"));
    let data = [Some(alignment.data), sentences, retained].into_iter().flatten().map(str::to_owned);
    data.chain(judge).collect::<Vec<_>>().join("; ")
}

fn defence(guarded: &Guarded) -> String {
    let behind = Arm::named(guarded.arm).map_or(guarded.arm, |arm| arm.title);
    format!("{} around {behind}; no training", guarded.defence)
}

fn fitted(guarded: &Guarded) -> String {
    if guarded.is_fitted { "directions fitted on harmful and harmless prompts".into() } else { "–".into() }
}
