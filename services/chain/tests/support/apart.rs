//! Two nodes of one network that each make a branch, until they meet.

use tempfile::TempDir;

use super::{Client, Net, Node, free_port, wait_for_head};

/// The nodes of the first two producers of a network of three. They do not know each other yet.
pub struct Apart {
    pub homes: [TempDir; 2],
    p2p: [u16; 2],
    pub a: Node,
    pub b: Node,
}

impl Apart {
    pub async fn start() -> (Net, Self, Client, Client) {
        let net = Net::new(3);
        let homes = [net.home(0), net.home(1)];
        let p2p = [free_port(), free_port()];
        let start = |number: usize| Node::start_on(homes[number].path(), free_port(), p2p[number], &[]);
        let (a, b) = (start(0), start(1));
        let (client_a, client_b) = (a.client().await, b.client().await);
        (net, Self { homes, p2p, a, b }, client_a, client_b)
    }

    /// The second node starts anew with the first as its seed, and the first one takes this head from it.
    pub async fn meet(self, client_a: &mut Client, head: &str) -> Self {
        self.b.stop().await;
        let b = Node::start_on(self.homes[1].path(), free_port(), self.p2p[1], &[self.p2p[0]]);
        wait_for_head(client_a, head).await;
        Self { b, ..self }
    }

    pub async fn stop(self) {
        self.a.stop().await;
        self.b.stop().await;
    }
}
