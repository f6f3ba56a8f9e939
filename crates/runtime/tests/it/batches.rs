use crate::{devices, is_interrupted, options, request, start, started};
use mosa_core::Interrupt;
use mosa_engine::{Batching, Commit, Options};
use mosa_runtime::{Ask, Constraint, Runtime, Shown, When, Words, Written};
use mosa_text::{Message, Prompt};

fn ask(number: usize) -> Ask {
    Ask::new(format!("a{number}"), Prompt::Chat(vec![Message::user(format!("question {number}"))]))
}

fn batch(runtime: &Runtime, options: &Options, batching: Batching, asked: &[Ask]) -> Vec<Shown> {
    let found = runtime.begin_batch(options, batching, asked).unwrap().wait().unwrap();
    found.into_iter().map(Result::unwrap).collect()
}

fn one(runtime: &Runtime, options: &Options, asked: &Ask) -> Shown {
    runtime.answer(options, std::slice::from_ref(asked)).unwrap().remove(0).unwrap()
}

#[test]
fn a_batch_has_the_answers_its_requests_have_alone() {
    for device in devices() {
        let runtime = start("llada", device);
        let options = options(&runtime);
        let asked: Vec<Ask> = (0..6)
            .map(|i| {
                let written =
                    Written { offset: 4, words: Words::Text("so".into()), when: When::Step(0), remask: false };
                let forbidden = vec!["a".to_owned(), "t".to_owned()];
                let constraint = (i == 3).then_some(Constraint { offset: 2, forbidden, draw: 5 });
                let written = if i == 2 { vec![written] } else { Vec::new() };
                Ask { written, constraint, temperature: Some((i % 2) as f64), ..ask(i) }
            })
            .collect();
        for (asked, found) in asked.iter().zip(batch(&runtime, &options, Batching::Rows, &asked)) {
            assert_eq!(found, one(&runtime, &options, asked));
        }
        let shared = batch(&runtime, &options, Batching::SHARED, &asked);
        // While somebody else asks too.
        let others = runtime.submit((0..3).map(|n| request(n, &options)).collect()).unwrap();
        assert_eq!(batch(&runtime, &options, Batching::SHARED, &asked), shared);
        assert!(others.into_iter().all(|other| other.wait().is_ok()));
    }
}

#[test]
fn a_failure_in_a_batch_is_the_requests_own() {
    let runtime = start("llada", devices()[0]);
    let options = options(&runtime);
    let asked = [
        ask(0),
        Ask { prefix: "<|mdm_mask|>".into(), ..ask(1) },
        Ask { gen_length: Some(100_000), ..ask(2) },
        Ask { prompt: Prompt::Raw("word ".repeat(400)), ..ask(3) },
        ask(4),
    ];
    let found = runtime.begin_batch(&options, Batching::SHARED, &asked).unwrap().wait().unwrap();
    assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, false, true]);
    assert!(found[3].as_ref().unwrap_err().to_string().contains("a3"), "{:?}", found[3]);
}

#[test]
fn after_a_stop_a_batch_is_interrupted() {
    let stop = Interrupt::new();
    let runtime = started("llada", devices()[0], stop.clone(), 3);
    let options = options(&runtime);
    stop.ask();
    let found = runtime.begin_batch(&options, Batching::Rows, &[ask(0)]).unwrap().wait();
    assert!(is_interrupted(&found), "{:?}", found.map(|f| f.len()));
}

#[test]
fn a_prefix_is_the_end_of_the_prompt() {
    let runtime = start("llada", devices()[0]);
    let options = options(&runtime);
    let in_words = Ask { prefix: "The answer is".into(), ..ask(0) };
    let ids = runtime.text().encode_with(&in_words.prompt, "The answer is").unwrap();
    let in_tokens = Ask::new("a0", Prompt::Ids(ids));
    assert_eq!(one(&runtime, &options, &in_words), one(&runtime, &options, &in_tokens));
    assert_ne!(one(&runtime, &options, &in_words), one(&runtime, &options, &ask(0)));
    let gaps = Ask { infill: true, prompt: Prompt::Raw("first <mask:2>".into()), ..in_words };
    assert!(runtime.answer(&options, &[gaps]).unwrap()[0].is_err());
}

#[test]
fn an_answer_up_to_the_text_that_ends_it_is_the_one_it_would_have_been() {
    for family in ["llada", "dream"] {
        let runtime = start(family, devices()[0]);
        let mut ended = 0;
        for number in 0..12 {
            let options = Options {
                commit: [Commit::LowConfidence, Commit::LeftToRight][number / 2 % 2],
                stop_at_end: number % 3 == 0,
                ..options(&runtime)
            };
            let plain = Ask { temperature: Some((number % 2) as f64), ..ask(number) };
            let whole = one(&runtime, &options, &plain);
            // A text that comes in the middle of the answer, over the seam of two tokens.
            let said: Vec<char> = whole.texts.to_end.chars().collect();
            if said.len() < 8 {
                continue;
            }
            let text: String = said[said.len() / 3..said.len() / 3 + 3].iter().collect();
            let until = vec!["never said \u{1F980}".to_owned(), text.clone(), String::new()];
            let found = one(&runtime, &options, &Ask { until, ..plain });
            let before = |shown: &Shown| shown.texts.to_end.split(&text).next().map(str::to_owned);
            assert_eq!(before(&found), before(&whole), "{family} {number} {text:?}");
            assert!(found.texts.to_end.contains(&text) && found.forwards <= whole.forwards);
            ended += usize::from(found.finish == "until" && found.forwards < whole.forwards);
        }
        assert!(ended > 2, "{family}: {ended} answers ended early");
    }
}
