//! Whether all was heard of the chain service that a verdict needs, and what to ask it next.
//!
//! The oracle watches the head and the peers, and asks for the chain's parameters and for the pools of the
//! head. It judges once it has all four, and reports that it cannot once per loss.

/// One of the two watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Watch {
    /// Nothing was heard of it since it began or was last lost.
    Silent,
    Heard,
}

/// Something that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fact {
    /// Not known, or no longer what the head needs.
    Wanted,
    Known,
}

/// Whether something may be asked now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asking {
    /// Yes.
    Free,
    /// No: a question is open, and there is one at a time.
    Open,
    /// No: the last one failed. The next tick allows another.
    Paused,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Not everything was heard yet for the first time.
    Starting,
    /// Everything is known: the oracle judges at every tick.
    Ready,
    /// The chain service was lost, and that was reported.
    Lost,
}

/// A question for the chain service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// The chain's parameters.
    Params,
    /// The pools after the head.
    Pools,
}

/// What a failed question means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QuestionFailed {
    /// What is known is of a moment ago, which the next question mends.
    StillReady,
    /// The chain service is lost.
    Lost(Loss),
}

/// Whether a loss of the chain service is to be reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// It is the first since the oracle was last ready.
    New,
    /// It has been reported already.
    Reported,
}

/// What the oracle has of its chain service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Readiness {
    head: Watch,
    peers: Watch,
    params: Fact,
    pools: Fact,
    asking: Asking,
    phase: Phase,
}

impl Default for Readiness {
    /// Nothing was heard yet.
    fn default() -> Self {
        Self {
            head: Watch::Silent,
            peers: Watch::Silent,
            params: Fact::Wanted,
            pools: Fact::Wanted,
            asking: Asking::Free,
            phase: Phase::Starting,
        }
    }
}

impl Readiness {
    /// The watch of the head delivered one.
    pub const fn head_heard(&mut self) {
        self.head = Watch::Heard;
    }

    /// The watch of the peers delivered them.
    pub const fn peers_heard(&mut self) {
        self.peers = Watch::Heard;
    }

    /// The watch of the head is lost.
    pub fn head_lost(&mut self) -> Loss {
        self.head = Watch::Silent;
        self.lost()
    }

    /// The watch of the peers is lost.
    pub fn peers_lost(&mut self) -> Loss {
        self.peers = Watch::Silent;
        self.lost()
    }

    /// Whether the pools known are those of the head. To be given whenever either changes.
    pub const fn pools_fit(&mut self, fit: bool) {
        self.pools = if fit { Fact::Known } else { Fact::Wanted };
    }

    /// What to ask now, if anything. It is open then until it is answered or has failed.
    pub fn next_question(&mut self) -> Option<Question> {
        if self.asking != Asking::Free || self.head == Watch::Silent {
            return None;
        }
        let question = match (self.params, self.pools) {
            (Fact::Wanted, _) => Question::Params,
            (Fact::Known, Fact::Wanted) => Question::Pools,
            (Fact::Known, Fact::Known) => return None,
        };
        self.asking = Asking::Open;
        Some(question)
    }

    /// The open question was answered. Whether the pools fit is reported separately.
    pub fn answered(&mut self, question: Question) {
        self.asking = Asking::Free;
        if question == Question::Params {
            self.params = Fact::Known;
        }
    }

    /// The open question failed: no other before the next tick.
    pub fn question_failed(&mut self) -> QuestionFailed {
        self.asking = Asking::Paused;
        match self.phase {
            Phase::Ready => QuestionFailed::StillReady,
            Phase::Starting | Phase::Lost => QuestionFailed::Lost(self.lost()),
        }
    }

    /// The clock ticked; whether the oracle judges now.
    pub fn ticked(&mut self) -> bool {
        if self.asking == Asking::Paused {
            self.asking = Asking::Free;
        }
        self.phase == Phase::Ready
    }

    /// Whether the oracle became ready just now. It judges at once then.
    pub fn becomes_ready(&mut self) -> bool {
        let complete = self.head == Watch::Heard
            && self.peers == Watch::Heard
            && self.params == Fact::Known
            && self.pools == Fact::Known;
        let becomes = complete && self.phase != Phase::Ready;
        if becomes {
            self.phase = Phase::Ready;
        }
        becomes
    }

    /// The chain service is not to be heard: nobody may rely on what it last said. It may come back as
    /// another chain's, so its parameters are asked for again.
    fn lost(&mut self) -> Loss {
        self.params = Fact::Wanted;
        match std::mem::replace(&mut self.phase, Phase::Lost) {
            Phase::Lost => Loss::Reported,
            Phase::Starting | Phase::Ready => Loss::New,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Heard and answered in the order of a start; ready at the end.
    fn ready() -> Readiness {
        let mut readiness = Readiness::default();
        assert_eq!(readiness.next_question(), None, "nothing is asked before a head is heard");
        readiness.head_heard();
        readiness.pools_fit(false);
        assert_eq!(readiness.next_question(), Some(Question::Params));
        assert_eq!(readiness.next_question(), None, "one question at a time");
        readiness.answered(Question::Params);
        assert_eq!(readiness.next_question(), Some(Question::Pools));
        readiness.answered(Question::Pools);
        readiness.pools_fit(true);
        assert!(!readiness.becomes_ready(), "the peers are missing");
        assert!(!readiness.ticked());
        readiness.peers_heard();
        assert!(readiness.becomes_ready());
        assert!(!readiness.becomes_ready(), "once");
        assert!(readiness.ticked());
        readiness
    }

    #[test]
    fn a_loss_is_reported_once_and_everything_is_asked_again() {
        type Lose = fn(&mut Readiness) -> Loss;
        type Hear = fn(&mut Readiness);
        let cases: [(&str, Lose, Hear); 2] = [
            ("head", Readiness::head_lost, Readiness::head_heard),
            ("peers", Readiness::peers_lost, Readiness::peers_heard),
        ];
        for (desc, lose, hear) in cases {
            let mut readiness = ready();
            assert_eq!((lose(&mut readiness), lose(&mut readiness)), (Loss::New, Loss::Reported), "{desc}");
            assert!(!readiness.ticked() && !readiness.becomes_ready(), "{desc}");
            hear(&mut readiness);
            assert_eq!(readiness.next_question(), Some(Question::Params), "{desc}: another chain, perhaps");
            readiness.answered(Question::Params);
            assert!(readiness.becomes_ready(), "{desc}: the pools are still those of the head");
            assert_eq!(lose(&mut readiness), Loss::New, "{desc}: reported anew");
        }
    }

    #[test]
    fn a_failed_question_waits_for_the_tick() {
        let mut readiness = ready();
        readiness.pools_fit(false);
        assert_eq!(readiness.next_question(), Some(Question::Pools));
        assert_eq!(readiness.question_failed(), QuestionFailed::StillReady);
        assert_eq!(readiness.next_question(), None);
        assert!(readiness.ticked(), "old pools do not keep it from judging");
        assert_eq!(readiness.next_question(), Some(Question::Pools));

        let mut readiness = Readiness::default();
        readiness.head_heard();
        readiness.next_question();
        assert_eq!(readiness.question_failed(), QuestionFailed::Lost(Loss::New));
        assert_eq!(readiness.next_question(), None);
        assert!(!readiness.ticked());
        assert_eq!(readiness.next_question(), Some(Question::Params));
        assert_eq!(readiness.question_failed(), QuestionFailed::Lost(Loss::Reported));
    }

    #[test]
    fn an_answer_counts_though_the_watch_was_lost_meanwhile() {
        let mut readiness = ready();
        readiness.head_lost();
        readiness.head_heard();
        assert_eq!(readiness.next_question(), Some(Question::Params));
        readiness.head_lost();
        assert_eq!(readiness.next_question(), None, "it is still open");
        readiness.answered(Question::Params);
        readiness.head_heard();
        assert_eq!(readiness.next_question(), None);
        assert!(readiness.becomes_ready());
    }
}
