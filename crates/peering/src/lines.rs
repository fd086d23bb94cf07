//! How often the log repeats what other nodes bring about.

use std::collections::BTreeMap;

/// Subjects remembered.
const MAX_SUBJECTS: usize = 1024;
/// Lines about all subjects together are counted anew after this time, milliseconds.
const WINDOW_MS: u64 = 10_000;

/// Lets a line through once in a while per subject, and so many in all.
#[derive(Debug)]
pub struct LineLimit {
    every_ms: u64,
    max_lines: u32,
    subjects: BTreeMap<String, (u64, u64)>,
    window: (u64, u32),
}

impl LineLimit {
    /// A line per subject every so many milliseconds, and so many lines about all in ten seconds.
    #[must_use]
    pub const fn new(every_ms: u64, max_lines: u32) -> Self {
        Self { every_ms, max_lines, subjects: BTreeMap::new(), window: (0, 0) }
    }

    /// Whether a line about the subject may be written now, and if so, how many were not since the last one.
    pub fn pass(&mut self, subject: &str, now_ms: u64) -> Option<u64> {
        if self.subjects.len() >= MAX_SUBJECTS && !self.subjects.contains_key(subject) {
            let every_ms = self.every_ms;
            self.subjects.retain(|_, (at, _)| now_ms.saturating_sub(*at) < every_ms);
            if self.subjects.len() >= MAX_SUBJECTS {
                self.subjects.pop_first();
            }
        }
        if now_ms.saturating_sub(self.window.0) >= WINDOW_MS {
            self.window = (now_ms, 0);
        }
        let full = self.window.1 >= self.max_lines;
        let known = self.subjects.get_mut(subject);
        if let Some((at, left_out)) = known {
            if full || now_ms.saturating_sub(*at) < self.every_ms {
                *left_out += 1;
                return None;
            }
            self.window.1 += 1;
            *at = now_ms;
            return Some(std::mem::take(left_out));
        }
        if full {
            return None;
        }
        self.window.1 += 1;
        self.subjects.insert(subject.to_owned(), (now_ms, 0));
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_has_a_line_once_in_a_while_and_all_together_few() {
        let mut limit = LineLimit::new(1_000, 3);
        assert_eq!([0, 1, 999].map(|now| limit.pass("a", now)), [Some(0), None, None]);
        assert_eq!(limit.pass("a", 1_000), Some(2), "it says how many were left out");
        assert_eq!([limit.pass("b", 1_000), limit.pass("c", 1_000)], [Some(0), None]);
        assert_eq!(limit.pass("c", WINDOW_MS), Some(0));
        for n in 0..3 * MAX_SUBJECTS as u64 {
            limit.pass(&n.to_string(), 2 * WINDOW_MS + n * WINDOW_MS);
        }
        assert!(limit.subjects.len() <= MAX_SUBJECTS);
    }
}
