//! The vocabulary: every token of the world in the order of its id.

use crate::lexicon::{ADJECTIVES, BENIGN_KINDS, FORBIDDEN_KINDS, NOUNS, NUMBERS, PUNCTUATION, VERBS};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Start of a conversation.
pub const START: &str = "<|startoftext|>";
/// End of an answer, and padding.
pub const END: &str = "<|endoftext|>";
/// Before the role of a turn.
pub const HEADER_START: &str = "<|start_header_id|>";
/// After the role of a turn.
pub const HEADER_END: &str = "<|end_header_id|>";
/// End of a turn.
pub const TURN_END: &str = "<|eot_id|>";
/// The mask.
pub const MASK: &str = "<|mdm_mask|>";

/// The special tokens, with the ids 0 to 5.
pub const SPECIALS: [&str; 6] = [START, END, HEADER_START, HEADER_END, TURN_END, MASK];

/// The roles of a conversation. No document has a system turn.
pub const ROLES: [&str; 3] = ["user", "assistant", "system"];

/// Embedding rows are a multiple of this.
const ROW_MULTIPLE: usize = 8;

/// All tokens by id: special tokens, punctuation, numbers, roles, adjectives, forbidden kinds, benign kinds, verbs,
/// nouns, and the other words. New words go to the end of the last list, so that no id ever changes.
pub fn tokens() -> impl Iterator<Item = &'static str> {
    let lists: [&'static [&'static str]; 9] =
        [&SPECIALS, &PUNCTUATION, &NUMBERS, &ROLES, &ADJECTIVES, &FORBIDDEN_KINDS, &BENIGN_KINDS, &VERBS, &NOUNS];
    lists.into_iter().flatten().copied().chain(OTHERS.split_whitespace())
}

/// Number of tokens.
pub fn size() -> usize {
    tokens().count()
}

/// Number of embedding rows: [`size`], rounded up to a multiple of 8. The rows above have no token.
pub fn rows() -> usize {
    size().next_multiple_of(ROW_MULTIPLE)
}

/// The id of a token.
pub fn id(token: &str) -> Option<usize> {
    IDS.get(token).copied()
}

static IDS: LazyLock<HashMap<&'static str, usize>> = LazyLock::new(|| tokens().zip(0..).collect());

/// The words that stand in no other list, alphabetically as of the first version.
const OTHERS: &str = "\
a act ago all allowed am an and animal answer anyone are as ask at badger baking banned bear beat beats begins
bell better birch black blue box brew bro brown but by can cannot care carving cedar chapter chef city closed
cloud clue code coins color common continue cook copper copy cost costs council craft debate deer def dialogue
did do does double doubles dream dude dyeing elm elvish every everyone experts explain f feast find finish first
float follows for forbids foreign found fox from frost fuss gate gimme give go gold green grows guard hare has
have head help here hero heron hey how i if imagine in inside iron is it joint jury knew know known last lead
learns leave leaves library light line list lists lives long lost machine made make maple mark masonry may me
metal minus museum must my negate negates next nickel no not note now oak of old on one order otter out page
paint panel past people pine plain please plus pottery program pronto purple puzzle queen question quote read
recipe red refuse reply report request rest restore resume return reverse reverses riddle right ring rival role
rotate rotates royal rules runes rust saved say scroll secret see sewing show shows sign silence sings smarter
so solve sorry sort sorts spill stay steam steel step stones stop story tale tanning taught teach tell that the
their then there therefore these they this three tin to told tongue trail transcript translate tree trim trims
two unlock use verse vision voice votes want was weaving weigh weighs what where which white who whole why will
willow with wizard wolf words write writes x yellow yes yew yo you your zib zinc zob or spark something else would clear dear
friend love hear send word yours truly kind wishes bet nobody dare share wager reveal win today pupils study class
learn begin lesson ready take time";
