//! Times as others write them: dates and hours in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// `YYYY-MM-DD` of a time (days to civil dates by eras of 400 years from March; Hinnant 2013).
pub fn date(time: SystemTime) -> String {
    let days = seconds(time) / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (d, m) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{:04}-{m:02}-{d:02}", era * 400 + year + u64::from(m < 3))
}

/// `YYYY-MM-DDTHH:MM:SS+00:00` of a time.
pub fn date_and_time(time: SystemTime) -> String {
    let of_day = seconds(time) % 86_400;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}+00:00", date(time))
}

/// Whole seconds since 1970; 0 before.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn days_become_dates() {
        let on = |days: u64| date(UNIX_EPOCH + Duration::from_secs(days * 86_400 + 5));
        assert_eq!(
            [on(0), on(11_016), on(11_017), on(20_088)],
            ["1970-01-01", "2000-02-29", "2000-03-01", "2024-12-31"]
        );
        assert_eq!(
            date_and_time(UNIX_EPOCH + Duration::from_secs(1_735_689_599)),
            "2024-12-31T23:59:59+00:00",
            "GNU date -u -d @1735689599"
        );
    }
}
