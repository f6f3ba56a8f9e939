use crate::{FAMILIES, goal, load, text};
use mosa_core::{Rng, Stream};
use mosa_model::DenoisingModel;
use mosa_probe::gcg::{AllowedTokens, Filter, Proposal, prompt_round_trip, suffix_round_trip};
use mosa_text::Specials;
use std::collections::HashSet;
use tch::{Kind, Tensor};

/// A gradient without ties: [suffix length, vocabulary].
fn slopes(rows: i64, vocab: i64) -> Tensor {
    (Tensor::arange(rows * vocab, (Kind::Float, tch::Device::Cpu)) * 1.7).sin().view([rows, vocab])
}

#[test]
fn printable_tokens_are_neither_special_nor_parts_of_characters_and_may_be_held_to_ascii() {
    for name in FAMILIES {
        let model = load(name);
        let (text, spec) = (text(name, &model), model.spec());
        let (printable, ascii) =
            (AllowedTokens::printable(&text, spec, false), AllowedTokens::printable(&text, spec, true));
        for special in [spec.mask, spec.eos, spec.pad].into_iter().chain(text.special.eot) {
            assert!(!printable.contains(special), "{name} {special}");
        }
        assert!(ascii.count() > 60 && ascii.count() <= printable.count() && printable.count() < spec.vocab);
        for token in (0..spec.vocab as u32).filter(|&t| printable.contains(t)) {
            let shown = text.tokenizer.decode(&[token], Specials::Skip).unwrap();
            assert!(!shown.is_empty() && !shown.contains(['\n', '\t', '\u{fffd}']), "{name} {token}");
            assert!(!ascii.contains(token) || shown.is_ascii());
        }
        assert!(!printable.contains(u32::MAX));
    }
}

#[test]
fn round_trips_keep_what_the_tokeniser_gives_back_and_nothing_else() {
    let model = load("llada");
    let text = text("llada", &model);
    let ids = text.tokenizer.encode("What is the capital of the island?").unwrap();
    let apart: Vec<u32> = "the".chars().map(|c| text.tokenizer.encode(&c.to_string()).unwrap()[0]).collect();
    assert_ne!(text.tokenizer.encode("the").unwrap(), apart, "the tokeniser knows this word");
    let (suffix, prompt) = (suffix_round_trip(&text.tokenizer), prompt_round_trip(&text.tokenizer));
    assert!(suffix(&ids, 1..4) && prompt(&ids, 1..4));
    let broken = [ids.as_slice(), &apart].concat();
    assert!(!suffix(&broken, ids.len()..broken.len()) && !prompt(&broken, 0..1));
    assert!(suffix(&broken, 0..ids.len()), "only the suffix counts");
    assert!(!suffix(&ids, 3..ids.len() + 1), "a suffix outside the prompt");
}

#[test]
fn candidates_are_distinct_favoured_allowed_and_differ_in_as_many_places_as_asked() {
    let (model, goal) = (load("llada"), goal("draw"));
    let vocab = model.spec().vocab;
    let gradient = slopes(goal.suffix.len() as i64, vocab as i64);
    let allowed = AllowedTokens::new(vocab, |t| t % 3 == 1);
    let filter = Filter { allowed: allowed.clone(), keep: Box::new(|prompt, suffix| prompt[suffix][0] % 2 == 1) };
    for replace in [1, 2, 5] {
        let proposal = Proposal { goal: &goal, filter: &filter, top_k: 9, count: 20, replace };
        let draw = |seed| proposal.draw(&gradient, goal.first_suffix(), &mut Rng::at(seed, Stream::Gcg, 1, 0)).unwrap();
        let drawn = draw(0);
        assert_eq!(drawn, draw(0));
        assert_ne!(drawn, draw(1));
        assert!(!drawn.is_empty() && drawn.len() <= 20);
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
        for candidate in &drawn {
            assert_eq!(candidate[0] % 2, 1, "the filter sees the prompt with its suffix");
            let changed: Vec<usize> = (0..5).filter(|&i| candidate[i] != goal.first_suffix()[i]).collect();
            assert!(!changed.is_empty() && changed.len() <= replace);
            for i in changed {
                let value = |t: u32| gradient.double_value(&[i as i64, i64::from(t)]);
                let lower =
                    (0..vocab as u32).filter(|&t| allowed.contains(t) && value(t) < value(candidate[i])).count();
                assert!(allowed.contains(candidate[i]) && lower < 9);
            }
        }
    }
}

#[test]
fn a_filter_that_allows_nothing_leaves_no_candidates() {
    let (model, goal) = (load("llada"), goal("nothing"));
    let gradient = slopes(goal.suffix.len() as i64, model.spec().vocab as i64);
    let nothing = Filter { allowed: AllowedTokens::new(model.spec().vocab, |_| false), keep: Box::new(|_, _| true) };
    let refused = Filter { allowed: AllowedTokens::ordinary(model.spec()), keep: Box::new(|_, _| false) };
    for filter in [nothing, refused] {
        let proposal = Proposal { goal: &goal, filter: &filter, top_k: 9, count: 20, replace: 1 };
        assert!(proposal.draw(&gradient, goal.first_suffix(), &mut Rng::at(0, Stream::Gcg, 1, 0)).unwrap().is_empty());
    }
}
