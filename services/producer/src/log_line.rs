//! The log lines of production.

use vision_authoring::Event;
use vision_primitives::trace::HeightTrace;
use vision_primitives::{Hash, Height};

/// Writes the line of an event, with its numbers and the trace of its height as fields too.
pub(crate) fn write(event: &Event, genesis_hash: &Hash) {
    let line = text(event);
    let trace_id = HeightTrace::of(genesis_hash, height(event));
    match event {
        Event::Waiting { height, slot, wait_ms } => {
            tracing::info!(height = height.get(), slot = slot.get(), wait_ms, %trace_id, "{line}");
        }
        Event::Proposing { height, slot } => {
            tracing::info!(height = height.get(), slot = slot.get(), %trace_id, "{line}");
        }
        Event::Created(block) => {
            let tx_count = block.transactions.len();
            let (height, slot) = (block.height.get(), block.slot.get());
            tracing::info!(height, slot, tx_count, hash = %block.hash, %trace_id, "{line}");
        }
        Event::Broadcast { height, sent_to, send_failed } => {
            tracing::info!(height = height.get(), sent_to, send_failed, %trace_id, "{line}");
        }
        Event::Produced(block) => {
            let (height, slot) = (block.height.get(), block.slot.get());
            tracing::info!(height, slot, hash = %block.hash, %trace_id, "{line}");
        }
        Event::AlreadyProduced { height } | Event::TipChanged { height } => {
            tracing::info!(height = height.get(), %trace_id, "{line}");
        }
        Event::Failed { height, why } => tracing::warn!(height = height.get(), why, %trace_id, "{line}"),
        Event::KeyUsedElsewhere { height, hash, blocks } => {
            tracing::error!(height = height.get(), %hash, blocks, %trace_id, "{line}");
        }
    }
}

fn height(event: &Event) -> Height {
    match event {
        Event::Created(block) | Event::Produced(block) => block.height,
        Event::Waiting { height, .. }
        | Event::Proposing { height, .. }
        | Event::Broadcast { height, .. }
        | Event::AlreadyProduced { height }
        | Event::TipChanged { height }
        | Event::Failed { height, .. }
        | Event::KeyUsedElsewhere { height, .. } => *height,
    }
}

fn text(event: &Event) -> String {
    match event {
        Event::Waiting { height, slot, wait_ms } if slot.get() == 0 => {
            format!("[MINING] 🏆 I am PRIMARY winner for height {height} (waiting {wait_ms}ms)")
        }
        Event::Waiting { height, slot, wait_ms } => {
            format!("[MINING] 🎫 I am backup #{slot} for height {height} (waiting {wait_ms}ms)")
        }
        Event::Proposing { height, .. } => format!("[MINING] 📦 Proposing block for height {height}"),
        Event::Created(block) => format!(
            "[MINING] ✅ Block {} created: {} txs, hash: 0x{}",
            block.height,
            block.transactions.len(),
            block.hash
        ),
        Event::Broadcast { height, sent_to, send_failed } => {
            format!("[MINING] 📡 Block {height} broadcast: {sent_to} success, {send_failed} failed")
        }
        Event::Produced(block) => format!("[MINING] ✨ Successfully produced block {}", block.height),
        Event::AlreadyProduced { height } => {
            format!("[MINING] ⏭️ Height {height} already produced by someone else")
        }
        Event::TipChanged { height } => format!("[MINING] ⚠️ Failed to produce block {height}: Tip changed"),
        Event::Failed { height, why } => format!("[MINING] ⚠️ Failed to produce block {height}: {why}"),
        Event::KeyUsedElsewhere { height, blocks, .. } => format!(
            "[MINING] ⚠️ Block {height} bears this key's signature, which these claims do not know of \
             ({blocks} such found): nothing is signed up to that height; is another node using the key?"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use vision_authoring::Proposal;
    use vision_primitives::{Slot, TimestampMs};

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn printed(event: &Event, json: bool) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt().without_time().with_ansi(false);
        let lines = lines.with_writer(move || writer.clone());
        let write = || write(event, &Hash::ZERO);
        match json {
            true => tracing::subscriber::with_default(lines.json().flatten_event(true).finish(), write),
            false => tracing::subscriber::with_default(lines.finish(), write),
        }
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_lines_are_those_of_the_document_to_the_letter() {
        let height = Height(12345);
        let block = Arc::new(Proposal {
            height,
            parent: Hash::ZERO,
            slot: Slot(0),
            hash: Hash([0xab; 32]),
            header: Vec::new(),
            transactions: vec![Vec::new(); 42],
            claimed_at: TimestampMs(0),
        });
        let created = format!("[MINING] ✅ Block 12345 created: 42 txs, hash: 0x{}", "ab".repeat(32));
        let cases = [
            (
                Event::Waiting { height, slot: Slot(0), wait_ms: 123 },
                "[MINING] 🏆 I am PRIMARY winner for height 12345 (waiting 123ms)",
            ),
            (
                Event::Waiting { height, slot: Slot(2), wait_ms: 2523 },
                "[MINING] 🎫 I am backup #2 for height 12345 (waiting 2523ms)",
            ),
            (Event::Proposing { height, slot: Slot(0) }, "[MINING] 📦 Proposing block for height 12345"),
            (Event::Created(block.clone()), created.as_str()),
            (
                Event::Broadcast { height, sent_to: 7, send_failed: 0 },
                "[MINING] 📡 Block 12345 broadcast: 7 success, 0 failed",
            ),
            (Event::Produced(block), "[MINING] ✨ Successfully produced block 12345"),
            (Event::AlreadyProduced { height }, "[MINING] ⏭️ Height 12345 already produced by someone else"),
            (Event::TipChanged { height }, "[MINING] ⚠️ Failed to produce block 12345: Tip changed"),
        ];
        for (event, expect) in cases {
            let line = printed(&event, false);
            // The numbers follow as fields.
            assert!(
                line.starts_with(&format!(" INFO vision_producer::log_line: {expect} height=12345 ")),
                "{line}"
            );
            let json: serde_json::Value = serde_json::from_str(&printed(&event, true)).unwrap();
            assert_eq!((&json["level"], &json["message"]), (&"INFO".into(), &expect.into()));
            assert_eq!(json["height"], 12345);
        }
    }
}
