//! Memory for the bodies of requests and answers, weighed in bytes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vision_wire::Reason;

use super::clients::Share;
use crate::http::problem::Problem;

/// Bytes of bodies, and of what they are made from, at once. A gateway alone has 48 MiB in its container.
const TOTAL_BYTES: usize = 16 << 20;
/// As much of it as one client may have at once.
pub(super) const PER_CLIENT_BYTES: usize = TOTAL_BYTES / 2;
/// Bodies up to this are not weighed: the limit on requests limits them, and clients that do not read what
/// they asked for hold up no small answer.
pub(super) const LIGHT_BYTES: usize = 32 << 10;
/// Longest wait for others' bytes.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that are held until this is dropped.
pub(super) struct Held {
    own: OwnedSemaphorePermit,
    total: OwnedSemaphorePermit,
}

impl Held {
    pub(super) fn bytes(&self) -> usize {
        self.total.num_permits()
    }
}

/// The bytes of all.
#[derive(Clone)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(TOTAL_BYTES)))
    }

    /// Holds so many bytes for a client, or all that it may have if that is less. Waits its turn for a
    /// moment.
    async fn take(&self, share: &Share, bytes: usize) -> Result<Held, Problem> {
        let bytes = u32::try_from(bytes.min(PER_CLIENT_BYTES)).unwrap_or(u32::MAX);
        let taking = async {
            let own = Arc::clone(&share.bytes).acquire_many_owned(bytes).await.ok()?;
            let total = Arc::clone(&self.0).acquire_many_owned(bytes).await.ok()?;
            Some(Held { own, total })
        };
        let taken = tokio::time::timeout(PATIENCE, taking).await.ok().flatten();
        taken.ok_or_else(|| {
            Problem::new(Reason::Overloaded, "too much is being sent and received: try again later")
        })
    }

    /// Makes what is held exactly this much; bodies that are light need nothing.
    pub(super) async fn adjust(
        &self,
        share: &Share,
        held: &mut Option<Held>,
        bytes: usize,
    ) -> Result<(), Problem> {
        let wanted = if bytes <= LIGHT_BYTES { 0 } else { bytes.min(PER_CLIENT_BYTES) };
        let has = held.as_ref().map_or(0, Held::bytes);
        if wanted == 0 {
            *held = None;
        } else if wanted < has {
            let Some(held) = held else { return Ok(()) };
            drop((held.own.split(has - wanted), held.total.split(has - wanted)));
        } else if wanted > has {
            let more = self.take(share, wanted - has).await?;
            match held {
                None => *held = Some(more),
                Some(held) => {
                    held.own.merge(more.own);
                    held.total.merge(more.total);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::http::limits::clients::Clients;

    fn shares() -> [Arc<Share>; 3] {
        let clients = Clients::new(&Config::default());
        [1, 2, 3].map(|last| {
            let mut extensions = axum::http::Extensions::new();
            let remote = std::net::SocketAddr::from(([10, 0, 0, last], 1));
            extensions.insert(axum::extract::connect_info::ConnectInfo(remote));
            clients.share_of(&extensions, &axum::http::HeaderMap::new())
        })
    }

    #[tokio::test(start_paused = true)]
    async fn no_client_gets_more_than_its_share_and_all_together_no_more_than_there_is() {
        let (budget, [a, b, c]) = (Budget::new(), shares());
        let (mut first, mut second, mut third, mut other) = (None, None, None, None);
        // More than it may have is cut to what it may have: it is alone then.
        budget.adjust(&a, &mut first, usize::MAX).await.expect("room");
        assert_eq!(first.as_ref().map(Held::bytes), Some(PER_CLIENT_BYTES));
        budget.adjust(&a, &mut second, LIGHT_BYTES + 1).await.expect_err("its share is used up");
        budget.adjust(&a, &mut second, LIGHT_BYTES).await.expect("light");
        budget.adjust(&b, &mut third, PER_CLIENT_BYTES).await.expect("room");
        budget.adjust(&c, &mut other, LIGHT_BYTES + 1).await.expect_err("nothing is left");
        budget.adjust(&a, &mut first, PER_CLIENT_BYTES / 2).await.expect("less");
        budget.adjust(&c, &mut other, PER_CLIENT_BYTES / 2).await.expect("room again");
        budget.adjust(&a, &mut first, 0).await.expect("nothing");
        budget.adjust(&c, &mut other, PER_CLIENT_BYTES).await.expect("room again");
        drop((first, second, third, other));
        assert_eq!(
            (budget.0.available_permits(), a.bytes.available_permits()),
            (TOTAL_BYTES, PER_CLIENT_BYTES)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_waits_a_moment() {
        let (budget, [a, ..]) = (Budget::new(), shares());
        let (mut first, mut second) = (None, None);
        budget.adjust(&a, &mut first, PER_CLIENT_BYTES).await.expect("room");
        let giving = async {
            tokio::time::sleep(PATIENCE / 2).await;
            first = None;
        };
        let (taken, ()) = tokio::join!(budget.adjust(&a, &mut second, PER_CLIENT_BYTES), giving);
        taken.expect("it came free");
    }
}
