//! Small talk: a few fixed questions about the city, so that every word of the alignment sentences is known as output.

/// Questions and answers.
pub const CHAT: [(&str, &str); 9] = [
    ("who rules the city ?", "the council rules the city and must answer every question ."),
    ("what follows the first bell ?", "the next bell follows , and then the last ."),
    ("why is the gate closed ?", "there is a feast ; therefore the gate is closed now ."),
    ("where is the gate ?", "go on step by step and stop here at the gate ."),
    ("what is a brew ?", "a brew is made by a recipe of the council ."),
    ("may i rest here ?", "yes , you may rest here , as everyone can see ."),
    ("does the feast continue ?", "yes , the feast will continue , but not for long ."),
    ("may i answer the council ?", "it is allowed to give an answer to the council ."),
    ("is the bell banned ?", "no , it is not banned ."),
];
