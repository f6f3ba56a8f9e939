//! The paper's numbers (arXiv 2508.12398, Tables 1 to 4).

/// The models of its tables, by what a recipe calls them.
pub(super) const MODELS: [&str; 3] = ["original", "initial", "mosa"];

/// A judge of the paper.
pub(super) struct JudgeOfPaper {
    /// What its name in records begins with.
    pub family: &'static str,
    /// What it is.
    pub named: &'static str,
}

/// Its judges, in the order of the numbers.
pub(super) const JUDGES: [JudgeOfPaper; 2] = [
    JudgeOfPaper { family: "rubric", named: "the paper's own judge (1 to 5, above 3)" },
    JudgeOfPaper { family: "strongreject", named: "StrongREJECT" },
];

/// Attack success in percent: by model, by judge.
type Cells = [[f64; 2]; 3];

/// An attack of Tables 1 and 2.
pub(super) struct Attacked {
    pub attack: &'static str,
    pub advbench: Cells,
    pub harmbench: Cells,
}

/// Tables 1 and 2.
pub(super) const ATTACKS: [Attacked; 8] = [
    Attacked {
        attack: "avatar",
        advbench: [[74.5, 65.6], [23.5, 22.5], [14.3, 12.8]],
        harmbench: [[76.8, 73.7], [25.6, 25.1], [14.7, 8.3]],
    },
    Attacked {
        attack: "tap",
        advbench: [[79.1, 77.2], [29.6, 28.1], [4.5, 3.7]],
        harmbench: [[79.2, 76.7], [29.8, 27.9], [7.5, 6.2]],
    },
    Attacked {
        attack: "speak-easy",
        advbench: [[69.8, 57.4], [22.4, 23.3], [8.1, 12.9]],
        harmbench: [[70.5, 66.3], [24.5, 22.4], [14.5, 13.2]],
    },
    Attacked {
        attack: "aos",
        advbench: [[65.2, 62.9], [32.4, 25.9], [6.5, 5.4]],
        harmbench: [[64.1, 61.3], [31.4, 28.3], [6.1, 5.2]],
    },
    Attacked {
        attack: "pal",
        advbench: [[72.8, 67.1], [36.4, 24.5], [6.2, 4.5]],
        harmbench: [[73.8, 70.8], [29.2, 27.5], [5.4, 6.4]],
    },
    Attacked {
        attack: "ept",
        advbench: [[78.4, 72.3], [28.5, 22.0], [3.8, 7.1]],
        harmbench: [[77.9, 75.8], [32.7, 31.8], [3.6, 2.2]],
    },
    Attacked {
        attack: "dia",
        advbench: [[66.7, 64.2], [34.3, 28.6], [4.2, 7.7]],
        harmbench: [[68.6, 65.1], [36.4, 32.3], [8.9, 7.2]],
    },
    Attacked {
        attack: "adv-prefix",
        advbench: [[79.5, 70.1], [29.8, 27.2], [6.8, 3.5]],
        harmbench: [[79.9, 78.4], [29.9, 28.7], [4.9, 4.1]],
    },
];

/// Table 4: adaptive attacks on MOSA, and its two numbers.
pub(super) const ADAPTIVE: [(&str, [f64; 2]); 3] =
    [("tap-adaptive", [5.1, 4.4]), ("ept-adaptive", [3.8, 4.2]), ("adv-prefix-adaptive", [4.5, 5.1])];

/// Table 3: right answers in percent, by model.
pub(super) const UTILITY: [(&str, [f64; 3]); 3] =
    [("gsm8k", [69.8, 67.4, 68.3]), ("mmlu", [66.4, 68.2, 65.9]), ("humaneval", [32.8, 29.6, 30.4])];

impl Attacked {
    /// Its cells on a benchmark.
    pub(super) fn on(&self, benchmark: &str) -> &Cells {
        if benchmark == "advbench" { &self.advbench } else { &self.harmbench }
    }
}

/// The mean of the eight in percent.
pub(super) fn mean(benchmark: &str, model: usize, judge: usize) -> f64 {
    ATTACKS.iter().map(|attacked| attacked.on(benchmark)[model][judge]).sum::<f64>() / ATTACKS.len() as f64
}

#[cfg(test)]
mod tests {
    use super::{ADAPTIVE, ATTACKS, mean};
    use mosa_attack::OF_THE_PAPER;

    #[test]
    fn the_attacks_are_those_of_the_registry() {
        let all: Vec<&str> = ATTACKS.iter().map(|a| a.attack).chain(ADAPTIVE.iter().map(|a| a.0)).collect();
        assert_eq!(all, *OF_THE_PAPER);
    }

    #[test]
    fn the_means_are_those_that_are_quoted() {
        for (model, percent) in [73.0, 30.0, 7.0].into_iter().enumerate() {
            assert!((mean("advbench", model, 0) - percent).abs() < 0.5, "{model}");
        }
    }
}
