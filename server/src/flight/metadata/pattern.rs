//! Patterns of metadata commands: `%` any text, `_` any character, `\` takes the next
//! character as it is.

/// A pattern, or none: then everything matches.
#[derive(Debug)]
pub(super) struct Pattern(Option<Vec<Part>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    AnyText,
    AnyCharacter,
    Character(char),
}

impl Pattern {
    /// Reads a pattern. Names are stored in lower case, so patterns are taken in it too.
    pub(super) fn new(text: Option<&str>) -> Self {
        Self(text.map(parts))
    }

    /// Whether the whole of `name` matches.
    pub(super) fn matches(&self, name: &str) -> bool {
        let Some(parts) = &self.0 else { return true };
        let name: Vec<char> = name.chars().collect();
        // after each part: which beginnings of the name are matched so far
        let mut reached = vec![false; name.len() + 1];
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        for part in parts {
            reached = step(&reached, part, &name);
        }
        reached.last().copied().unwrap_or(false)
    }
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut characters = text.chars().flat_map(char::to_lowercase);
    while let Some(character) = characters.next() {
        parts.push(match character {
            '%' => Part::AnyText,
            '_' => Part::AnyCharacter,
            // a last backslash stands for itself
            '\\' => Part::Character(characters.next().unwrap_or('\\')),
            other => Part::Character(other),
        });
    }
    parts
}

fn step(reached: &[bool], part: &Part, name: &[char]) -> Vec<bool> {
    if *part == Part::AnyText {
        let mut open = false;
        return reached
            .iter()
            .map(|reached| {
                open |= *reached;
                open
            })
            .collect();
    }
    let fits = |character: &char| match part {
        Part::Character(wanted) => character == wanted,
        Part::AnyCharacter | Part::AnyText => true,
    };
    let moved = reached.iter().zip(name).map(|(reached, character)| *reached && fits(character));
    std::iter::once(false).chain(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_sql() {
        for (pattern, name, expected) in [
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("ORDERS", "orders", true),
            ("ord%", "orders", true),
            ("%", "", true),
            ("%", "anything", true),
            ("", "", true),
            ("", "x", false),
            ("_", "", false),
            ("o_ders", "orders", true),
            ("o_ders", "oders", false),
            ("%er%", "orders", true),
            ("%a%b%", "xxaxxbxx", true),
            ("%a%b%", "xxbxxaxx", false),
            (r"my\_t", "my_t", true),
            (r"my\_t", "myxt", false),
            (r"100\%", "100%", true),
            (r"100\%", "1000", false),
            (r"a\\b", r"a\b", true),
            (r"a\", r"a\", true),
            ("ä_", "äß", true),
        ] {
            assert_eq!(Pattern::new(Some(pattern)).matches(name), expected, "{pattern} on {name}");
        }
        assert!(Pattern::new(None).matches("anything"));
    }

    #[test]
    fn a_pattern_of_many_wildcards_takes_no_more_than_its_length_times_the_names() {
        let pattern = Pattern::new(Some(&"%a".repeat(1000)));
        assert!(!pattern.matches(&"a".repeat(999)));
        assert!(pattern.matches(&"a".repeat(1000)));
    }
}
