//! A table for LaTeX documents, set with the package booktabs.

use crate::number::DASH;
use crate::{Cell, Table};

impl Table {
    /// The table in LaTeX, as the page shows it: a `table` with its caption, which needs `\usepackage{booktabs}`.
    /// All text is escaped.
    pub fn latex(&self) -> String {
        let columns: String = (0..self.header.len()).map(|i| if self.is_quantity(i) { 'r' } else { 'l' }).collect();
        let caption = escaped(&self.caption);
        let mut out = format!(
            "\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n"
        );
        line(&mut out, self.header.iter().map(|name| escaped(name)));
        out.push_str("\\midrule\n");
        for row in &self.rows {
            line(&mut out, row.iter().map(shown));
        }
        out.push_str("\\bottomrule\n\\end{tabular}\n\\end{table}\n");
        out
    }
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    out.push_str(&cells.collect::<Vec<_>>().join(" & "));
    out.push_str(" \\\\\n");
}

/// A cell; numbers with a minus sign and rates with an en dash.
fn shown(cell: &Cell) -> String {
    let text = escaped(&cell.shown());
    match cell {
        Cell::Number(value, _) if value.is_finite() => text.replacen('-', "$-$", 1),
        Cell::Rate { n: 1.., .. } | Cell::Share { n: 1.., .. } => text.replacen('-', "--", 1),
        _ => text,
    }
}

/// Text on one line that LaTeX prints as it is. A `*` or `[` would be read by the line break before it.
fn escaped(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace(DASH, "--");
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            '"' => out.push_str("''"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '✓' => out.push_str("agrees"),
            '✗' => out.push_str("disagrees"),
            '\u{2212}' => out.push_str("$-$"),
            '*' | '[' => out.extend(['{', c, '}']),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}
