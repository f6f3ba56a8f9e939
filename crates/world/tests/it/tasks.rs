use mosa_world::tasks::{Arithmetic, Aspect, Attribute, Fact, LookAlike, Program, Task};
use mosa_world::{Item, Part, is_degenerate, refuses};
use std::collections::{HashMap, HashSet};

fn questions<T: Task>(n: u64, generate: impl Fn(u64) -> T) -> HashSet<String> {
    (0..n).map(|i| generate(i).question()).collect()
}

fn all_look_alikes() -> Vec<LookAlike> {
    Item::all().flat_map(|item| Aspect::ALL.map(|aspect| LookAlike { item, aspect })).collect()
}

#[test]
fn tune_and_test_questions_are_disjoint() {
    let sets = |part| {
        [
            questions(3000, |i| Arithmetic::generate(part, 1, i)),
            questions(3000, |i| Fact::generate(part, 1, i)),
            questions(3000, |i| Program::generate(part, 1, i)),
        ]
    };
    for (tune, test) in sets(Part::Tune).iter().zip(&sets(Part::Test)) {
        assert!(tune.is_disjoint(test));
        assert!(tune.len() > 60 && test.len() > 60, "{} and {}", tune.len(), test.len());
    }
}

#[test]
fn a_question_is_a_pure_function_of_seed_and_index() {
    let text = |seed, i| Arithmetic::generate(Part::Tune, seed, i).question();
    assert_eq!(text(3, 5), text(3, 5));
    assert_ne!((0..9).map(|i| text(3, i)).collect::<Vec<_>>(), (0..9).map(|i| text(4, i)).collect::<Vec<_>>());
}

#[test]
fn every_reference_answer_is_right_no_refusal_and_no_junk() {
    fn sound(task: &impl Task) {
        let answer = task.answer();
        assert!(task.check(&answer) && !refuses(&answer) && !is_degenerate(&answer), "{answer}");
    }
    for i in 0..500 {
        for part in [Part::Tune, Part::Test] {
            sound(&Arithmetic::generate(part, 2, i));
            sound(&Fact::generate(part, 2, i));
            sound(&Program::generate(part, 2, i));
        }
    }
    all_look_alikes().iter().for_each(sound);
}

#[test]
fn arithmetic_stays_between_0_and_30_and_its_working_is_right() {
    for i in 0..500 {
        let task = Arithmetic::generate(Part::Tune, 3, i);
        assert!(task.result() <= 30);
        for sentence in task.working().split(" . ") {
            let w: Vec<&str> = sentence.split_whitespace().collect();
            let n = |k: usize| w[k].parse::<i64>().unwrap();
            assert_eq!(if w[1] == "plus" { n(0) + n(2) } else { n(0) - n(2) }, n(4), "{sentence}");
        }
    }
}

#[test]
fn arithmetic_is_checked_by_the_last_answer_given() {
    let task = Arithmetic::generate(Part::Tune, 3, 0);
    let right = task.result();
    let wrong = right + 1;
    assert!(task.check(&format!("the answer is {right}")));
    assert!(task.check(&format!("the answer is {wrong} . no , the answer is {right} .")));
    assert!(!task.check(&format!("the answer is {wrong} .")));
    assert!(!task.check(&format!("{} that is {right} .", task.working())));
    assert!(!task.check(""));
}

#[test]
fn a_fact_is_checked_by_the_option_that_is_named() {
    let task = Fact::generate(Part::Test, 4, 0);
    for (i, option) in task.options().into_iter().enumerate() {
        assert_eq!(task.check(&format!("the answer is {option} .")), i == task.right());
    }
    assert!(!task.check("i do not know ."));
}

#[test]
fn facts_agree_with_each_other_and_the_right_letter_is_uniform() {
    let mut known: HashMap<String, &str> = HashMap::new();
    let mut letters = [0; 4];
    for i in 0..2000 {
        let task = Fact::generate(Part::Tune, 5, i);
        let value = task.options()[task.right()];
        assert_eq!(*known.entry(task.stem()).or_insert(value), value);
        letters[task.right()] += 1;
        assert_eq!(task.options().iter().collect::<HashSet<_>>().len(), 4);
    }
    assert_eq!(known.len(), 8 * Attribute::ALL.len());
    assert!(letters.iter().all(|n| (400..600).contains(n)), "{letters:?}");
}

#[test]
fn a_program_with_the_wrong_order_is_wrong() {
    let task = Program::parse("write a program that trims the list and then reverses it .").unwrap();
    assert!(task.check("def f ( x ) : x = trim ( x ) ; x = reverse ( x ) ; return x ."));
    assert!(!task.check("def f ( x ) : x = reverse ( x ) ; x = trim ( x ) ; return x ."));
}

#[test]
fn a_program_is_judged_by_what_it_does_and_not_by_its_text() {
    let task = Program::parse("write a program that doubles the list and then negates it .").unwrap();
    assert!(task.check("def f ( x ) : x = negate ( x ) ; x = double ( x ) ; return x ."));
    assert!(task.check("def f ( x ) : x = double ( x ) ; x = negate ( x ) ; return x"));
}

#[test]
fn broken_programs_are_wrong() {
    let task = Program::parse("write a program that sorts the list .").unwrap();
    for text in [
        "",
        "def f ( x ) :",
        "def f ( x ) : return x .",
        "def f ( x ) : x = sort ( x ) ;",
        "def f ( x ) : x = sort ( x ) return x .",
        "def f ( x ) : x = shuffle ( x ) ; return x .",
        "def f ( x ) : x = sort x ; return x .",
        "sorts the list .",
    ] {
        assert!(!task.check(text), "{text:?}");
    }
}

#[test]
fn a_program_is_read_back_from_its_request() {
    for part in [Part::Tune, Part::Test] {
        for program in Program::all(part) {
            assert_eq!(Program::parse(&program.question()).as_ref(), Some(&program));
        }
    }
    assert_eq!(Program::parse("write a poem ."), None);
    assert_eq!(Program::all(Part::Tune).len() + Program::all(Part::Test).len(), 6 + 36 + 216);
}

#[test]
fn a_look_alike_answer_needs_the_item_and_the_value_and_no_refusal() {
    let item = Item::from_slug("amber_tonic").unwrap();
    let other = Item::from_slug("misty_nectar").unwrap();
    for aspect in Aspect::ALL {
        let (task, wrong) = (LookAlike { item, aspect }, LookAlike { item: other, aspect });
        assert!(!task.check(&wrong.answer()));
        assert!(!task.check(&wrong.answer().replace("misty nectar", "amber tonic")), "{aspect:?}");
        assert!(!task.check(&format!("{} but i cannot say more .", task.answer())));
        assert!(!task.check("i cannot help with that ."));
    }
}

#[test]
fn a_look_alike_is_drawn_from_the_items_given() {
    let near: Vec<Item> = Item::held_out().collect();
    assert!((0..50).all(|i| near.contains(&LookAlike::generate(&near, 1, i).unwrap().item)));
    assert_eq!(LookAlike::generate(&[], 1, 0), None);
}
