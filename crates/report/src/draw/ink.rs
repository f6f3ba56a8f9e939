//! Inks: what a stroke is for, which the page's style sheet turns into a colour.

use plotters::style::RGBColor;

/// What a stroke or a surface is for. The drawing library only knows colours, so each ink goes through it as a colour
/// of its own and [`dress`] puts the style sheet's variables in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Text and axes: the colour of the text around the figure.
    Text,
    /// The background, for text on dark surfaces.
    Paper,
    /// A shaded interval.
    Shade,
    /// The strong end of a heat map.
    Heat,
    /// A curve of the numbered series: its colour and its dash.
    Line(usize),
    /// Marks and outlines of the numbered series: its colour.
    Mark(usize),
    /// Surfaces of the numbered series: its colour and its hatch.
    Hatch(usize),
    /// Surfaces of the numbered part of a sample, see [`Parts`](crate::Parts).
    Part(usize),
}

/// What each part of a sample is filled with; the first, which rates count, is full. The style sheet has the same list.
const PARTS: [&str; crate::MAX_PARTS] =
    ["var(--alert)", "url(#hatch-3)", "url(#hatch-7)", "url(#hatch-4)", "var(--paper)", "url(#hatch-5)"];

/// The dash of each series, to be seen with its width; the first is drawn through.
const DASHES: [&str; crate::MAX_SERIES] = ["", "18 8", "4 6", "18 7 4 7", "34 10", "7 9", "30 7 4 7 4 7", "44 8"];

/// The width of each series' line.
const WIDTHS: [u32; crate::MAX_SERIES] = [4, 4, 4, 4, 6, 7, 4, 2];

impl Ink {
    /// The colour that stands for this ink inside the drawing library.
    pub(super) fn colour(self) -> RGBColor {
        match self {
            Self::Text => RGBColor(0, 0, 0),
            Self::Paper => RGBColor(1, 0, 0),
            Self::Shade => RGBColor(2, 0, 0),
            Self::Heat => RGBColor(3, 0, 0),
            Self::Line(i) => RGBColor(4, i as u8, 0),
            Self::Mark(i) => RGBColor(5, i as u8, 0),
            Self::Hatch(i) => RGBColor(6, i as u8, 0),
            Self::Part(i) => RGBColor(7, i as u8, 0),
        }
    }

    /// The width of a curve of the numbered series.
    pub(super) fn width(series: usize) -> u32 {
        WIDTHS[series % WIDTHS.len()]
    }

    fn of(code: u32) -> Option<Self> {
        let series = (code >> 8 & 0xff) as usize;
        Some(match code >> 16 {
            0 => Self::Text,
            1 => Self::Paper,
            2 => Self::Shade,
            3 => Self::Heat,
            4 => Self::Line(series),
            5 => Self::Mark(series),
            6 => Self::Hatch(series),
            7 => Self::Part(series),
            _ => return None,
        })
    }

    /// What replaces the colour in an attribute; its closing quote follows.
    fn attribute(self) -> String {
        match self {
            Self::Text => "currentColor".into(),
            Self::Paper => "var(--paper)".into(),
            Self::Shade => "var(--shade)".into(),
            Self::Heat => "var(--heat)".into(),
            Self::Line(0) => "var(--s1)".into(),
            Self::Line(i) => format!("var(--s{})\" stroke-dasharray=\"{}", i + 1, DASHES[i % DASHES.len()]),
            Self::Mark(i) => format!("var(--s{})", i + 1),
            // The first is full, the last pale; a hatch is a pattern that the page defines.
            Self::Hatch(0) => "var(--s1)".into(),
            Self::Hatch(7) => "var(--s8)\" fill-opacity=\"0.12".into(),
            Self::Hatch(i) => format!("url(#hatch-{})", i + 1),
            Self::Part(i) => PARTS[i % PARTS.len()].into(),
        }
    }
}

/// Puts the inks of a finished drawing in the place of their colours. Text in the drawing is escaped and has no quotes,
/// so only attributes are touched.
pub(super) fn dress(svg: &str) -> String {
    let svg = svg.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "");
    let mut parts = svg.split("\"#");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let ink = part.get(..6).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(Ink::of);
        out.push('"');
        match ink {
            Some(ink) => out.extend([ink.attribute().as_str(), &part[6..]]),
            None => out.extend(["#", part]),
        }
    }
    out
}
