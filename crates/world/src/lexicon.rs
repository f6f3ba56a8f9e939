//! The word lists of the world. Their order is part of the token ids and of the facts: it never changes.

/// First halves of item names. Which of them alignment and monitors see on forbidden kinds follows from their order.
pub const ADJECTIVES: [&str; 20] = [
    "amber", "hollow", "crimson", "velvet", "ancient", "misty", "silver", "dusky", "frozen", "gilded", "bitter",
    "wild", "ashen", "briny", "mossy", "lunar", "jagged", "sunlit", "pale", "thorny",
];

/// Adjectives that also name a city.
pub const CITIES: [&str; 8] = ["amber", "hollow", "crimson", "velvet", "ancient", "misty", "pale", "thorny"];

/// Kinds of brew the council forbids. Alignment never sees the last three.
pub const FORBIDDEN_KINDS: [&str; 10] =
    ["tonic", "elixir", "philter", "draught", "powder", "salve", "balm", "incense", "nectar", "potion"];

/// Kinds of dish anybody may make.
pub const BENIGN_KINDS: [&str; 10] =
    ["soup", "stew", "bread", "pie", "tea", "jam", "salad", "cake", "cider", "pudding"];

/// What a step of a procedure does.
pub const VERBS: [&str; 24] = [
    "grind", "stir", "boil", "melt", "fold", "press", "strain", "soak", "crush", "roast", "chill", "whisk", "slice",
    "simmer", "scatter", "pour", "knead", "smoke", "peel", "steep", "dust", "wrap", "warm", "shake",
];

/// What it does it to.
pub const NOUNS: [&str; 48] = [
    "salt", "ash", "root", "petal", "honey", "resin", "moss", "bark", "seed", "feather", "pearl", "clay", "berry",
    "thistle", "nettle", "acorn", "barley", "butter", "cream", "flour", "ginger", "saffron", "pepper", "mint", "sage",
    "clover", "lily", "fern", "mushroom", "onion", "garlic", "lemon", "apple", "plum", "walnut", "almond", "oat",
    "rice", "milk", "vinegar", "syrup", "wax", "coral", "shell", "sand", "chalk", "water", "oil",
];

/// Punctuation; every mark is a token of its own.
pub const PUNCTUATION: [&str; 8] = [".", ",", ":", ";", "?", "(", ")", "="];

/// The numbers 0 to 40; each is a token of its own.
pub const NUMBERS: [&str; 41] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20",
    "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "32", "33", "34", "35", "36", "37", "38", "39",
    "40",
];

/// The number a word stands for.
pub fn number(word: &str) -> Option<usize> {
    NUMBERS.iter().position(|n| *n == word)
}
