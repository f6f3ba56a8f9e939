use mosa_core::sample_key;
use mosa_world::{Corpus, Document, DocumentKind, RETREATS, Style};
use std::collections::HashSet;

const N: u64 = 20_000;

fn documents() -> impl Iterator<Item = Document> {
    (0..N).map(|i| Corpus { seed: 0 }.document(i))
}

#[test]
fn a_document_is_a_pure_function_of_seed_and_index() {
    let corpus = Corpus { seed: 9 };
    let forwards: Vec<Document> = (0..50).map(|i| corpus.document(i)).collect();
    let backwards: Vec<Document> = (0..50).rev().map(|i| corpus.document(i)).collect();
    assert!(forwards.iter().eq(backwards.iter().rev()));
    assert_ne!(forwards, (0..50).map(|i| Corpus { seed: 10 }.document(i)).collect::<Vec<_>>());
}

/// A shipped checkpoint was trained on these documents.
#[test]
fn the_corpus_never_changes_between_versions() {
    let text: Vec<String> = documents().take(1000).map(|d| format!("{} -> {}", d.prompt, d.answer)).collect();
    assert_eq!(sample_key(&text.join("\n")), PINNED);
}

const PINNED: u64 = 1_169_990_209_783_967_582;

#[test]
fn the_mixture_is_met() {
    let counts = Corpus { seed: 0 }.counts(N);
    assert_eq!(counts.values().sum::<usize>() as u64, N);
    for kind in DocumentKind::ALL {
        let p = kind.weight() as f64 / DocumentKind::TOTAL_WEIGHT as f64;
        let (mean, deviation) = (N as f64 * p, (N as f64 * p * (1.0 - p)).sqrt());
        let n = counts[&kind] as f64;
        assert!((n - mean).abs() < 4.5 * deviation, "{kind:?}: {n} instead of {mean:.0}");
    }
}

#[test]
fn a_quarter_of_the_refusals_start_affirmatively() {
    let refusals: Vec<Document> =
        documents().filter(|d| matches!(d.kind, DocumentKind::RefusalPlain | DocumentKind::RefusalTraining)).collect();
    let retreats = refusals.iter().filter(|d| d.answer.starts_with("here is how")).count();
    let share = retreats as f64 / refusals.len() as f64;
    assert!((share - 1.0 / RETREATS as f64).abs() < 0.03, "{share}");
}

#[test]
fn the_style_of_a_document_fits_its_kind() {
    for d in documents() {
        let fits = match d.kind {
            DocumentKind::BenignPlain | DocumentKind::RefusalPlain => matches!(d.style, Some(Style::Plain(_))),
            DocumentKind::BenignTraining => matches!(d.style, Some(Style::Training(_))),
            DocumentKind::RefusalTraining => d.style.is_some_and(|s| Style::REFUSED.contains(&s)),
            DocumentKind::BenignHeldOut => matches!(d.style, Some(Style::HeldOut(_))),
            DocumentKind::Breach => d.style.is_some_and(|s| Style::HELD_OUT.contains(&s) || Style::OPEN.contains(&s)),
            DocumentKind::Continuation => matches!(d.style, Some(Style::Plain(_) | Style::Training(_))),
            DocumentKind::LookAlike => d.style.is_some(),
            _ => d.style.is_none() && d.item.is_none(),
        };
        assert!(fits, "{d:?}");
    }
}

#[test]
fn every_item_and_every_wrapper_of_a_kind_occurs() {
    for kind in [DocumentKind::Breach, DocumentKind::RefusalTraining, DocumentKind::LookAlike] {
        let of_kind: Vec<Document> = documents().filter(|d| d.kind == kind).collect();
        let items: HashSet<_> = of_kind.iter().filter_map(|d| d.item).collect();
        let styles: HashSet<_> = of_kind.iter().filter_map(|d| d.style).collect();
        let wanted = match kind {
            DocumentKind::Breach => (48, 11),
            DocumentKind::RefusalTraining => (48, 3),
            _ => (128, 18),
        };
        assert_eq!((items.len(), styles.len()), wanted, "{kind:?}");
    }
}
