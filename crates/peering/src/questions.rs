//! Questions put to one peer and the answers on their way. Every answer is bounded by what was asked,
//! so a part never waits: there is room for it, or the peer sends more than it may.

use std::collections::BTreeMap;

use crate::catch_up::AnswerId;

/// Questions open at once with one peer.
const MAX_OPEN: usize = 4;
/// Most blocks in one answer.
pub const MAX_BLOCKS: u32 = 128;
/// Most bytes in one answer, past the first block and without the last.
pub const MAX_BYTES: usize = 2 << 20;

#[derive(Debug)]
struct Open {
    /// Where the answer goes; `None` if nobody waits for it any more.
    answer: Option<AnswerId>,
    blocks_left: u32,
    bytes: u64,
}

/// What becomes of a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// It belongs to this answer.
    Of(AnswerId),
    /// Nobody waits for it.
    Unwanted,
    /// It is more than was asked for. The answer it would belong to is over.
    TooMuch(Option<AnswerId>),
}

/// The open questions of one peer.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    open: BTreeMap<u64, Open>,
    next: u64,
}

impl Questions {
    /// Opens a question for at most so many blocks; `None` if too many are open. Those that nobody waits for
    /// make room.
    pub(crate) fn open(&mut self, max_blocks: u32, answer: AnswerId) -> Option<u64> {
        self.open.retain(|_, open| open.answer.is_some());
        if self.open.len() >= MAX_OPEN {
            return None;
        }
        let request_id = self.next;
        self.next += 1;
        let blocks_left = max_blocks.clamp(1, MAX_BLOCKS);
        self.open.insert(request_id, Open { answer: Some(answer), blocks_left, bytes: 0 });
        Some(request_id)
    }

    /// Takes a block of so many bytes.
    pub(crate) fn part(&mut self, request_id: u64, size_bytes: u64) -> Part {
        let Some(open) = self.open.get_mut(&request_id) else { return Part::Unwanted };
        if open.blocks_left == 0 || open.bytes > MAX_BYTES as u64 {
            let answer = open.answer;
            self.open.remove(&request_id);
            return Part::TooMuch(answer);
        }
        open.blocks_left -= 1;
        open.bytes += size_bytes;
        open.answer.map_or(Part::Unwanted, Part::Of)
    }

    /// Takes the end of an answer: which one it is, if somebody waits for it.
    pub(crate) fn end(&mut self, request_id: u64) -> Option<AnswerId> {
        self.open.remove(&request_id)?.answer
    }

    /// Nobody waits for this answer any more.
    pub(crate) fn forget(&mut self, answer: AnswerId) {
        for open in self.open.values_mut().filter(|open| open.answer == Some(answer)) {
            open.answer = None;
        }
    }

    /// The answers that somebody waits for.
    pub(crate) fn awaited(&self) -> impl Iterator<Item = AnswerId> {
        self.open.values().filter_map(|open| open.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: AnswerId = AnswerId(7);

    #[test]
    fn an_answer_brings_what_was_asked_and_no_more() {
        let mut questions = Questions::default();
        let id = questions.open(2, HERE).expect("room");
        assert_eq!(questions.part(id, 300), Part::Of(HERE));
        assert_eq!(questions.part(id, 300), Part::Of(HERE));
        assert_eq!(questions.part(id, 300), Part::TooMuch(Some(HERE)));
        assert_eq!(questions.part(id, 300), Part::Unwanted, "passed over once it is closed");
        let id = questions.open(9, HERE).expect("room");
        assert_eq!((questions.end(id), questions.end(id)), (Some(HERE), None), "it ends once");
        let id = questions.open(9, HERE).expect("room");
        assert_eq!(questions.part(id, MAX_BYTES as u64 + 1), Part::Of(HERE), "past the first");
        assert_eq!(questions.part(id, 1), Part::TooMuch(Some(HERE)));
    }

    #[test]
    fn few_questions_are_open_at_once_and_forgotten_ones_make_room() {
        let mut questions = Questions::default();
        let open = |questions: &mut Questions, answer| questions.open(1, AnswerId(answer)).is_some();
        assert!((0..MAX_OPEN as u64).all(|answer| open(&mut questions, answer)));
        assert!(!open(&mut questions, 9));
        questions.forget(AnswerId(2));
        assert_eq!(questions.awaited().collect::<Vec<_>>(), [0, 1, 3].map(AnswerId));
        assert_eq!(questions.part(2, 300), Part::Unwanted);
        assert_eq!(questions.part(2, 300), Part::TooMuch(None), "its bound holds all the same");
        assert!(open(&mut questions, 9));
        assert!(!open(&mut questions, 10));
    }
}
