//! Numbers that JSON has no words for: a logarithm of 0, a loss that is no number. They are written as texts (`"-inf"`,
//! `"inf"`, `"NaN"`) and read back as what they were; all others are written as JSON writes them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number as it is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written<T> {
    Number(T),
    Word(String),
    /// What earlier versions wrote for all three.
    Nothing,
}

macro_rules! written {
    ($number:ident) => {
        fn word(value: $number) -> Written<$number> {
            if value.is_finite() { Written::Number(value) } else { Written::Word(value.to_string()) }
        }

        fn value<E: serde::de::Error>(written: Written<$number>) -> Result<$number, E> {
            match written {
                Written::Number(value) => Ok(value),
                Written::Nothing => Ok($number::NAN),
                Written::Word(word) => match word.as_str() {
                    "inf" => Ok($number::INFINITY),
                    "-inf" => Ok($number::NEG_INFINITY),
                    "NaN" => Ok($number::NAN),
                    _ => Err(E::custom(format!("{word:?} is no number"))),
                },
            }
        }

        /// Writes a number.
        ///
        /// # Errors
        /// What the format reports.
        pub fn serialize<S: Serializer>(number: &$number, to: S) -> Result<S::Ok, S::Error> {
            word(*number).serialize(to)
        }

        /// Reads a number.
        ///
        /// # Errors
        /// If it is none.
        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$number, D::Error> {
            value(Written::deserialize(from)?)
        }
    };
}

/// One `f64`.
pub mod f64 {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Written};
    written!(f64);

    /// One, or none.
    pub mod option {
        use super::{Deserialize, Deserializer, Serialize, Serializer, Written};

        /// Writes a number, or nothing.
        ///
        /// # Errors
        /// What the format reports.
        pub fn serialize<S: Serializer>(number: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
            number.map(super::word).serialize(to)
        }

        /// Reads a number, or nothing.
        ///
        /// # Errors
        /// If it is neither.
        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
            Option::<Written<f64>>::deserialize(from)?.map(super::value).transpose()
        }
    }

    /// Several.
    pub mod all {
        use super::{Deserialize, Deserializer, Serializer, Written};

        /// Writes numbers.
        ///
        /// # Errors
        /// What the format reports.
        pub fn serialize<S: Serializer>(numbers: &[f64], to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq(numbers.iter().map(|&n| super::word(n)))
        }

        /// Reads numbers.
        ///
        /// # Errors
        /// If one of them is none.
        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
            Vec::<Written<f64>>::deserialize(from)?.into_iter().map(super::value).collect()
        }
    }
}

/// One `f32`.
pub mod f32 {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Written};
    written!(f32);
}
