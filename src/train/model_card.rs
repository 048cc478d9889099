//! What was learnt, from whom, how well it does, and what it is not good for.
//!
//! Mitchell et al.: "Model Cards for Model Reporting", FAT* 2019.

use std::fmt::Write as _;

/// What a model card says. Texts are Markdown.
#[derive(Clone, Debug, Default)]
pub struct ModelCard {
    /// What was learnt.
    pub title: String,
    /// What it is, in a sentence or two.
    pub what: String,
    /// The people and photos: a line for each part.
    pub data: Vec<String>,
    /// How it was learnt: name and value.
    pub training: Vec<(String, String)>,
    /// What the columns of the figures are.
    pub columns: Vec<String>,
    /// The figures: what was measured, and its value in each column.
    pub figures: Vec<(String, Vec<String>)>,
    /// How they were measured.
    pub measured: String,
    /// What it is not good for.
    pub limits: Vec<String>,
    /// How to use it: commands.
    pub usage: String,
}

impl ModelCard {
    /// As Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let Self { title, what, data, training, columns, figures, measured, limits, usage } = self;
        let mut card = format!("# {title}\n\n{what}\n\n## Data\n\n");
        for line in data {
            let _ = writeln!(card, "- {line}");
        }
        card += "\n## Training\n\n| | |\n|---|---|\n";
        for (name, value) in training {
            let _ = writeln!(card, "| {name} | {value} |");
        }
        let _ = writeln!(card, "\n## Figures\n\n| | {} |", columns.join(" | "));
        let _ = writeln!(card, "|---|{}", "---|".repeat(columns.len()));
        for (name, values) in figures {
            let _ = writeln!(card, "| {name} | {} |", values.join(" | "));
        }
        let _ = writeln!(card, "\n{measured}\n\n![curves](curves.svg)\n\n## Limits\n");
        for limit in limits {
            let _ = writeln!(card, "- {limit}");
        }
        let _ = writeln!(card, "\n## Use\n\n```sh\n{usage}\n```");
        card
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_has_a_row_for_every_figure_and_a_cell_for_every_column() {
        let card = ModelCard {
            title: "A".to_owned(),
            columns: vec!["new".to_owned(), "old".to_owned()],
            figures: vec![("EER".to_owned(), vec!["1 %".to_owned(), "2 %".to_owned()])],
            ..ModelCard::default()
        };
        let text = card.markdown();
        assert!(
            text.starts_with("# A\n")
                && text.contains("| | new | old |\n|---|---|---|\n| EER | 1 % | 2 % |")
        );
    }
}
