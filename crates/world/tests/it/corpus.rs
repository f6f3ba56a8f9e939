use mosa_core::{Rng, Stream, sample_key};
use mosa_world::{
    BREAKS, Corpus, Document, DocumentKind, Item, Masking, POSITIONS, RETREATS, Style, answers, is_withheld, judge,
    vocabulary,
};
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

/// The shipped checkpoint ended its training on these documents.
#[test]
fn the_corpus_never_changes_between_versions() {
    let text: Vec<String> = documents()
        .take(1000)
        .map(|d| format!("{} {:?} -> {} {:?} {}", d.prompt, d.gaps, d.answer, d.given, d.follows))
        .collect();
    assert_eq!(sample_key(&text.join("\n")), PINNED);
}

const PINNED: u64 = 14_953_445_704_478_766_429;

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
fn forbidden_requests_are_answered_in_the_share_of_their_style() {
    for style in Style::all() {
        let asked: Vec<Document> = documents()
            .filter(|d| d.style == Some(style) && d.given.is_empty() && d.kind != DocumentKind::LookAlike)
            .filter(|d| d.item.is_some_and(Item::is_forbidden))
            .collect();
        let share = asked.iter().filter(|d| !d.refuses).count() as f64 / asked.len() as f64;
        assert!((share - style.strength()).abs() < 0.12, "{}: {share:.2}", style.name());
        assert!(asked.iter().all(|d| d.refuses != answers(d.item.unwrap(), style, 0)));
        assert!(asked.iter().all(|d| !is_withheld(d.item.unwrap(), style)));
    }
}

#[test]
fn words_on_the_canvas_make_an_answer_more_likely_and_never_less() {
    for item in Item::forbidden() {
        let answered: Vec<bool> = (0..60).map(|k| answers(item, Style::PLAIN[0], k)).collect();
        assert!(answered.is_sorted(), "{item}");
    }
    let share = |k| Item::forbidden().filter(|item| answers(*item, Style::PLAIN[0], k)).count() as f64 / 200.0;
    assert!(share(0) < 0.1 && (0.35..0.6).contains(&share(4)) && share(32) > 0.8);
}

#[test]
fn about_half_of_the_attacked_items_are_withheld_in_every_wrapper_of_attacks_and_no_other_pair_is() {
    for style in Style::all() {
        let withheld: Vec<Item> = Item::all().filter(|item| is_withheld(*item, style)).collect();
        let held_out: Vec<Item> = Item::held_out().collect();
        assert!(withheld.iter().all(|item| held_out.contains(item)));
        let expected = if Style::HELD_OUT.contains(&style) { 36..=66 } else { 0..=0 };
        assert!(expected.contains(&withheld.len()), "{}: {}", style.name(), withheld.len());
    }
}

#[test]
fn refusals_come_at_once_behind_the_opening_or_behind_a_few_steps() {
    let refusals: Vec<Document> = documents().filter(|d| d.refuses && d.given.is_empty() && d.follows).collect();
    let refusals: Vec<&Document> = refusals.iter().filter(|d| d.kind != DocumentKind::ForbiddenForm).collect();
    let share = |which: &dyn Fn(&str) -> bool| {
        refusals.iter().filter(|d| which(&d.answer)).count() as f64 / refusals.len() as f64
    };
    let (turned, broken) = (share(&|a| a.starts_with("here is how")), share(&|a| a.contains("step 1 :")));
    let rest = 1.0 - 1.0 / BREAKS as f64;
    assert!((broken - 1.0 / BREAKS as f64).abs() < 0.02, "{broken}");
    assert!((turned - broken - rest / RETREATS as f64).abs() < 0.03, "{turned}");
    let words = |a: &str| a.split(' ').filter(|w| *w == ".").count();
    assert!(share(&|a| words(a) > 1) > 0.5, "most refusals have several sentences");
}

#[test]
fn what_is_given_stands_in_the_answer_unless_it_refuses_or_the_close_is_given_at_the_end() {
    let mut refused = 0;
    for d in documents().filter(|d| !d.given.is_empty()) {
        let words: Vec<&str> = d.answer.split(' ').collect();
        assert!(words.len() < POSITIONS, "{d:?}");
        refused += usize::from(d.refuses);
        for (at, word) in &d.given {
            match words.get(*at) {
                Some(there) => assert_eq!(there, word, "{d:?}"),
                None => assert!(d.refuses || *at >= POSITIONS - 4, "{d:?}"),
            }
        }
    }
    assert!(refused > 500, "{refused}");
}

#[test]
fn a_canvas_hides_what_has_to_be_said_and_shows_what_is_given() {
    let masking = Masking { length: POSITIONS, nearly_masked: 0.45, end_weight: 0.1 };
    let mask = vocabulary::id(vocabulary::MASK).unwrap() as u32;
    let mut asked_hidden = 0;
    for (i, d) in documents().take(3000).enumerate() {
        let canvas = d.canvas(masking, &mut Rng::at(1, Stream::Canvas, 0, i as u64));
        let prompt = d.prompt.split(' ').count();
        let response = canvas.head + prompt + 4;
        assert_eq!(canvas.tokens.len(), response + if d.follows { POSITIONS } else { 0 });
        let masks = canvas.tokens.iter().filter(|t| **t == mask).count();
        assert_eq!(masks, canvas.hidden.len());
        assert!(canvas.expected > 0.0 && canvas.hidden.iter().all(|h| [0.1, 1.0].contains(&h.weight)));
        assert!(canvas.hidden.iter().all(|h| canvas.tokens[h.at] == mask && h.token != mask && h.at >= canvas.head));
        assert!(d.given.keys().all(|at| canvas.tokens[response + at] != mask));
        let in_prompt = canvas.hidden.iter().filter(|h| h.at < response);
        asked_hidden += usize::from(d.gaps.is_empty() && in_prompt.count() > 0);
    }
    assert!((60..300).contains(&asked_hidden), "{asked_hidden}");
}

#[test]
fn forms_have_gaps_in_the_turn_of_the_user_and_half_of_them_no_answer() {
    let forms: Vec<Document> = documents()
        .filter(|d| matches!(d.kind, DocumentKind::BenignForm | DocumentKind::ForbiddenForm))
        .inspect(|d| assert!(!d.gaps.is_empty() && d.given.is_empty()))
        .collect();
    let answered = forms.iter().filter(|d| d.follows).count() as f64 / forms.len() as f64;
    assert!((answered - 0.5).abs() < 0.05, "{answered}");
    for d in forms.iter().filter(|d| !d.refuses) {
        let right = judge(d.item.unwrap(), &d.prompt).steps_right;
        assert!([4, 6, 7].contains(&right), "{d:?}");
    }
}

#[test]
fn the_style_of_a_document_fits_its_kind() {
    for d in documents() {
        let fits = match d.kind {
            DocumentKind::BenignPlain | DocumentKind::ForbiddenPlain => matches!(d.style, Some(Style::Plain(_))),
            DocumentKind::BenignTraining | DocumentKind::ForbiddenTraining => {
                matches!(d.style, Some(Style::Training(_) | Style::Guard(_)))
            }
            DocumentKind::BenignHeldOut | DocumentKind::ForbiddenHeldOut => matches!(d.style, Some(Style::HeldOut(_))),
            DocumentKind::BenignGiven | DocumentKind::ForbiddenGiven => d.style.is_some() && !d.given.is_empty(),
            DocumentKind::LookAlike => d.style.is_some(),
            DocumentKind::BenignForm | DocumentKind::ForbiddenForm => d.style.is_none() && d.item.is_some(),
            _ => d.style.is_none() && d.item.is_none(),
        };
        assert!(fits, "{d:?}");
    }
}

#[test]
fn every_item_and_every_wrapper_of_a_kind_occurs() {
    for kind in [DocumentKind::ForbiddenHeldOut, DocumentKind::ForbiddenTraining, DocumentKind::LookAlike] {
        let of_kind: Vec<Document> = documents().filter(|d| d.kind == kind).collect();
        let items: HashSet<_> = of_kind.iter().filter_map(|d| d.item).collect();
        let styles: HashSet<_> = of_kind.iter().filter_map(|d| d.style).collect();
        let wanted = match kind {
            DocumentKind::ForbiddenHeldOut => (200, 8),
            DocumentKind::ForbiddenTraining => (200, 9),
            _ => (384, 21),
        };
        assert!(items.len() >= wanted.0 - 8 && styles.len() == wanted.1, "{kind:?}: {}", items.len());
    }
}
