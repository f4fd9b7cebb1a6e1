//! Text for a screen: aligned tables, blocks side by side, and colour where somebody looks.

use std::iter;

/// How wide blocks side by side may get together.
const WIDTH: usize = 112;
/// Between two blocks, and between two columns.
const GAP: usize = 4;
const COLUMN_GAP: usize = 2;

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    colours: bool,
}

impl Paint {
    pub(super) fn new(colours: bool) -> Self {
        Self { colours }
    }

    pub(super) fn title(self, text: &str) -> String {
        self.wrap("1;36", text)
    }

    pub(super) fn name(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(super) fn statement(self, text: &str) -> String {
        self.wrap("33", text)
    }

    pub(super) fn refusal(self, text: &str) -> String {
        self.wrap("31", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colours && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A line and its width on the screen, which colours do not change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Line {
    text: String,
    width: usize,
}

/// Lines that stay together.
#[derive(Debug, Clone, Default)]
pub(super) struct Block(Vec<Line>);

impl Block {
    /// Adds a line.
    pub(super) fn line(&mut self, text: &str, paint: impl Fn(&str) -> String) {
        self.0.push(Line { width: text.chars().count(), text: paint(text) });
    }

    /// A table under its title. Columns that hold numbers stand right.
    pub(super) fn table(title: &str, table: &Cells, paint: Paint) -> Self {
        let mut block = Self::default();
        if !title.is_empty() {
            block.line(title, |text| paint.name(text));
        }
        let widths = table.widths();
        block.line(&table.row_text(&table.header, &widths), |text| paint.faint(text));
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        block.line(&rule.join(&" ".repeat(COLUMN_GAP)), |text| paint.faint(text));
        if table.rows.is_empty() {
            block.line("(no rows)", |text| paint.faint(text));
        }
        for row in &table.rows {
            block.line(&table.row_text(row, &widths), str::to_owned);
        }
        block
    }

    fn width(&self) -> usize {
        self.0.iter().map(|line| line.width).max().unwrap_or(0)
    }
}

/// The cells of a table as text.
#[derive(Debug, Clone, Default)]
pub(super) struct Cells {
    pub(super) header: Vec<String>,
    pub(super) numeric: Vec<bool>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Cells {
    fn widths(&self) -> Vec<usize> {
        let widest = |position: usize| {
            let cells = iter::once(&self.header).chain(&self.rows).filter_map(|row| row.get(position));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..self.header.len()).map(widest).collect()
    }

    fn row_text(&self, cells: &[String], widths: &[usize]) -> String {
        let aligned = cells.iter().zip(widths).zip(&self.numeric).map(|((cell, width), numeric)| {
            if *numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        aligned.collect::<Vec<_>>().join(&" ".repeat(COLUMN_GAP)).trim_end().to_owned()
    }
}

/// A sentence in lines that fit.
pub(super) fn wrapped(sentence: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The lines of blocks, side by side as long as they fit.
pub(super) fn side_by_side(blocks: &[Block]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut shelf: Vec<&Block> = Vec::new();
    let mut used = 0;
    for block in blocks {
        if !shelf.is_empty() && used + GAP + block.width() > WIDTH {
            lines.extend(shelf_lines(&shelf));
            lines.push(String::new());
            shelf.clear();
            used = 0;
        }
        used += block.width() + if shelf.is_empty() { 0 } else { GAP };
        shelf.push(block);
    }
    lines.extend(shelf_lines(&shelf));
    lines
}

fn shelf_lines(shelf: &[&Block]) -> Vec<String> {
    let height = shelf.iter().map(|block| block.0.len()).max().unwrap_or(0);
    (0..height)
        .map(|row| {
            let mut text = String::new();
            let mut pending = 0;
            for block in shelf {
                let line = block.0.get(row).cloned().unwrap_or_default();
                if line.width > 0 {
                    text.push_str(&" ".repeat(pending));
                    text.push_str(&line.text);
                    pending = 0;
                }
                pending += block.width() - line.width + GAP;
            }
            text
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(header: &[&str], numeric: &[bool], rows: &[&[&str]]) -> Cells {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Cells {
            header: owned(header),
            numeric: numeric.to_vec(),
            rows: rows.iter().map(|row| owned(row)).collect(),
        }
    }

    #[test]
    fn blocks_stand_beside_each_other_whatever_their_height_and_colours() {
        let people = cells(&["region", "n"], &[false, true], &[&["EMEA", "7"], &["Übersee", "12"]]);
        let nobody = cells(&["region", "n"], &[false, true], &[]);
        let plain = Paint::new(false);
        let lines = side_by_side(&[
            Block::table("alice", &people, plain),
            Block::table("admin", &nobody, plain),
            Block::table("bob", &people, plain),
        ]);
        assert_eq!(
            lines,
            [
                "alice          admin        bob",
                "region    n    region  n    region    n",
                "-------  --    ------  -    -------  --",
                "EMEA      7    (no rows)    EMEA      7",
                "Übersee  12                 Übersee  12",
            ]
        );
        let coloured = side_by_side(&[
            Block::table("alice", &people, Paint::new(true)),
            Block::table("admin", &nobody, Paint::new(true)),
            Block::table("bob", &people, Paint::new(true)),
        ]);
        let stripped: Vec<String> = coloured
            .iter()
            .map(|line| {
                ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"]
                    .iter()
                    .fold(line.clone(), |text, code| text.replace(code, ""))
            })
            .collect();
        assert_eq!(stripped, lines);
    }

    #[test]
    fn sentences_are_wrapped_between_words() {
        let sentence = ["word"; 60].join(" ");
        let lines = wrapped(&sentence);
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= WIDTH), "{lines:?}");
        assert_eq!(lines.join(" "), sentence);
    }

    #[test]
    fn blocks_that_do_not_fit_begin_another_shelf() {
        let mut wide = Block::default();
        wide.line(&"x".repeat(WIDTH - 10), str::to_owned);
        let mut small = Block::default();
        small.line("small", str::to_owned);
        let lines = side_by_side(&[wide.clone(), small.clone(), wide]);
        assert_eq!(lines.len(), 3);
        assert!(lines.first().is_some_and(|line| line.ends_with("x    small")), "{lines:?}");
    }
}
