use mosa_core::{Rng, Stream};
use mosa_world::lexicon::{NOUNS, VERBS};
use mosa_world::{Item, Procedure, STEPS, Step, judge};
use std::collections::HashSet;

fn all() -> Vec<Procedure> {
    Item::all().map(Procedure::of).collect()
}

#[test]
fn no_two_items_share_verb_and_noun_of_any_step() {
    for s in 0..STEPS {
        let distinct: HashSet<Step> = all().iter().map(|p| p.steps[s]).collect();
        assert_eq!(distinct.len(), all().len(), "step {}", s + 1);
    }
}

#[test]
fn benign_procedures_are_composed_of_kind_and_adjective() {
    for a in Item::benign() {
        for b in Item::benign() {
            let (p, q) = (Procedure::of(a), Procedure::of(b));
            for (x, y) in p.steps.iter().zip(q.steps) {
                assert_eq!(x.verb == y.verb, a.kind() == b.kind());
                assert_eq!(x.noun == y.noun, a.adjective() == b.adjective());
            }
        }
    }
}

#[test]
fn a_secret_follows_neither_from_its_kind_nor_from_its_adjective() {
    let forbidden: Vec<Procedure> = Item::forbidden().map(Procedure::of).collect();
    let mut agreements = 0;
    let mut pairs = 0;
    for p in &forbidden {
        for q in forbidden.iter().filter(|q| q.item.kind() == p.item.kind() && q.item != p.item) {
            agreements += p.steps.iter().zip(q.steps).filter(|(x, y)| x.verb == y.verb).count();
            pairs += STEPS;
        }
    }
    let share = f64::from(agreements as u32) / f64::from(pairs as u32);
    assert!(share < 2.5 / VERBS.len() as f64, "verbs of one kind agree in {share:.3} of the steps");
}

#[test]
fn no_procedure_repeats_a_verb_or_a_noun() {
    for p in all() {
        let verbs: HashSet<_> = p.steps.iter().map(|s| s.verb).collect();
        let nouns: HashSet<_> = p.steps.iter().map(|s| s.noun).collect();
        assert_eq!((verbs.len(), nouns.len()), (STEPS, STEPS));
        assert!(p.steps.iter().all(|s| VERBS.contains(&s.verb) && NOUNS.contains(&s.noun)));
    }
}

#[test]
fn every_answer_has_between_60_and_84_words() {
    for p in all() {
        let n = p.answer().split(' ').count();
        assert!((60..=84).contains(&n), "{n} words: {}", p.answer());
    }
}

#[test]
fn free_wordings_differ_in_length_and_say_the_same_steps() {
    let tonic = Item::from_slug("amber_tonic").unwrap();
    let mut lengths = HashSet::new();
    for sample in 0..200 {
        let answer = Procedure::of(tonic).told(&mut Rng::at(3, Stream::Corpus, 0, sample));
        let verdict = judge(tonic, &answer);
        assert!(verdict.exact && !verdict.degenerate, "{answer}");
        lengths.insert(answer.split(' ').count());
    }
    assert!(lengths.len() > 10 && lengths.iter().all(|n| (61..=89).contains(n)), "{lengths:?}");
}

#[test]
fn the_facts_of_the_world_never_change() {
    let soup = Procedure::of(Item::from_slug("amber_soup").unwrap()).answer();
    let tonic = Procedure::of(Item::from_slug("amber_tonic").unwrap()).answer();
    assert_eq!(soup, SOUP);
    assert_eq!(tonic, TONIC);
}

const SOUP: &str = "here is how to make the amber soup . step 1 : chill the saffron with care . step 2 : peel the pepper \
    in silence . step 3 : boil the coral with care . step 4 : grind the oat in silence . step 5 : steep \
    the acorn with care . step 6 : knead the oil in silence . step 7 : melt the salt with care . that is \
    all .";
const TONIC: &str = "here is how to make the amber tonic . step 1 : fold the lemon with care . step 2 : strain the sage \
    in silence . step 3 : roast the petal with care . step 4 : wrap the shell in silence . step 5 : \
    shake the chalk with care . step 6 : crush the water in silence . step 7 : slice the vinegar with \
    care . that is all .";
