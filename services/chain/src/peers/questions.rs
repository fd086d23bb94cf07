//! Questions put to one peer and the answers on their way. Every answer is bounded by what was asked,
//! so a part never waits: there is room for it, or the peer sends more than it may.

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use vision_host::text::cut;
use vision_primitives::Block;

/// Questions open at once with one peer.
const MAX_OPEN: usize = 4;
/// Most blocks in one answer.
pub const MAX_BLOCKS: u32 = 128;
/// Most bytes in one answer, past the first block and without the last.
pub const MAX_BYTES: usize = 2 << 20;

/// What comes of a question: blocks, then `Ok(None)` if the answer is whole or a reason if it broke off.
/// A connection that ends just ends the channel.
pub type Answer = mpsc::Receiver<Result<Option<Block>, String>>;

struct Open {
    sender: mpsc::Sender<Result<Option<Block>, String>>,
    blocks_left: u32,
    bytes: u64,
}

/// The open questions of one peer.
#[derive(Default)]
pub struct Questions {
    open: BTreeMap<u64, Open>,
    next: u64,
}

impl Questions {
    /// Opens a question for at most so many blocks; `None` if too many are open.
    pub fn open(&mut self, max_blocks: u32) -> Option<(u64, Answer)> {
        self.open.retain(|_, open| !open.sender.is_closed());
        if self.open.len() >= MAX_OPEN {
            return None;
        }
        let blocks_left = max_blocks.clamp(1, MAX_BLOCKS);
        // Room for every block and the end.
        let (sender, answer) = mpsc::channel(blocks_left as usize + 1);
        let id = self.next;
        self.next += 1;
        self.open.insert(id, Open { sender, blocks_left, bytes: 0 });
        Some((id, answer))
    }

    /// Takes a block. A question that nobody waits for any more is passed over.
    pub fn part(&mut self, id: u64, block: Block) -> Result<(), &'static str> {
        let Some(open) = self.open.get_mut(&id) else { return Ok(()) };
        if open.blocks_left == 0 || open.bytes > MAX_BYTES as u64 {
            self.open.remove(&id);
            return Err("more blocks than asked for");
        }
        open.blocks_left -= 1;
        open.bytes += block.size_bytes();
        // Full it cannot be; closed means that nobody waits.
        let _ = open.sender.try_send(Ok(Some(block)));
        Ok(())
    }

    /// Takes the end: empty reason if the answer is whole.
    pub fn end(&mut self, id: u64, reason: &str) {
        if let Some(open) = self.open.remove(&id) {
            let end = if reason.is_empty() { Ok(None) } else { Err(cut(reason)) };
            let _ = open.sender.try_send(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vision_primitives::Hash;

    fn block() -> Block {
        crate::fixtures::block(Hash::ZERO, 0)
    }

    #[test]
    fn an_answer_brings_what_was_asked_and_no_more() {
        let mut questions = Questions::default();
        let (id, mut answer) = questions.open(2).expect("room");
        assert_eq!(questions.part(id, block()), Ok(()));
        assert_eq!(questions.part(id, block()), Ok(()));
        assert_eq!(questions.part(id, block()), Err("more blocks than asked for"));
        assert_eq!(questions.part(id, block()), Ok(()), "passed over once it is closed");
        assert!(matches!(answer.try_recv(), Ok(Ok(Some(_)))));
        assert!(matches!(answer.try_recv(), Ok(Ok(Some(_)))));
        assert!(answer.try_recv().is_err());
        let (id, mut answer) = questions.open(9).expect("room");
        questions.end(id, "");
        assert!(matches!(answer.try_recv(), Ok(Ok(None))));
        let (id, mut answer) = questions.open(9).expect("room");
        questions.end(id, "OVERLOADED");
        assert!(matches!(answer.try_recv(), Ok(Err(why)) if why == "OVERLOADED"));
        let (id, mut answer) = questions.open(9).expect("room");
        questions.end(id, &format!("\u{1b}[2J\n{}", "x".repeat(20_000)));
        assert!(
            matches!(answer.try_recv(), Ok(Err(why)) if why.starts_with("?[2J?x") && why.chars().count() < 100)
        );
    }

    #[test]
    fn few_questions_are_open_at_once_and_forgotten_ones_make_room() {
        let mut questions = Questions::default();
        let mut answers: Vec<Answer> =
            (0..MAX_OPEN).filter_map(|_| questions.open(1)).map(|(_, a)| a).collect();
        assert_eq!(answers.len(), MAX_OPEN);
        assert!(questions.open(1).is_none());
        answers.pop();
        assert!(questions.open(1).is_some());
    }
}
