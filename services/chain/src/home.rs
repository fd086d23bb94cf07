//! What lies in the node's home: the chain's rules, its store, and who this node is.

use std::path::Path;
use std::sync::Arc;

use vision_block_tree::{BlockTree, ChainRules, RestoreBase, StoredBlock};
use vision_host::Env;
use vision_ledger::State;
use vision_primitives::{Genesis, Hash, Header, Height, NodeName, NodeNameError, Signature, TimestampMs};

use crate::config::Config;
use crate::error::Error;
use crate::peers::Identity;
use crate::store::{BlockRecord, Store};

/// The store's file, in the folder of data.
pub(crate) const STORE: &str = "chain.redb";
/// A genesis file larger than this is none, bytes.
const MAX_GENESIS_BYTES: u64 = 256 << 20;

/// A home that was opened and checked.
pub(crate) struct Home {
    /// The chain's rules.
    pub rules: Arc<ChainRules>,
    /// Its store.
    pub store: Store,
    /// Known blocks, rebuilt from it.
    pub tree: BlockTree,
    /// This node towards others.
    pub identity: Identity,
    /// Its name.
    pub name: NodeName,
    /// The address it reports to others.
    pub address: String,
}

impl Home {
    /// Opens the home of a node that others call on this port.
    pub(crate) fn open(config: &Config, env: &Env, p2p_port: u16) -> Result<Self, Error> {
        let rules = Arc::new(ChainRules::new(load_genesis(&env.home.join("genesis.json"))?));
        let now = TimestampMs(env.clock.now_ms());
        let (store, tree) = restore(&env.home.join("data"), &rules, now)?;
        let address = match config.p2p_advertise.as_str() {
            "" => format!(":{p2p_port}"),
            address => address.to_owned(),
        };
        let chain_id = &rules.genesis.chain_id;
        let identity = Identity::load(&env.home, chain_id, rules.genesis_hash, address.clone(), env.version)?;
        let name = match env.name.as_deref() {
            None => NodeName::of_id(&identity.node_id),
            Some(text) => text.parse().map_err(|error: NodeNameError| Error::Name(error.to_string()))?,
        };
        let tree = tree.with_max_open_blocks(config.max_open_blocks);
        Ok(Self { rules, store, tree, identity, name, address })
    }
}

fn load_genesis(path: &Path) -> Result<Genesis, Error> {
    let bytes = vision_host::files::read(path, MAX_GENESIS_BYTES)
        .map_err(|error| Error::Home { path: path.to_owned(), why: error.to_string() })?;
    let text = String::from_utf8_lossy(&bytes);
    Genesis::from_json(&text).map_err(|error| Error::Genesis { path: path.to_owned(), error })
}

/// Opens the store and rebuilds the tree; every state root on the way is computed anew and compared.
fn restore(data: &Path, rules: &Arc<ChainRules>, now: TimestampMs) -> Result<(Store, BlockTree), Error> {
    vision_host::files::make_folder(data)
        .map_err(|error| Error::Home { path: data.to_owned(), why: error.to_string() })?;
    let corrupt = |why: &dyn std::fmt::Display| Error::Restore(why.to_string());
    let genesis_state = State::genesis(&rules.genesis).map_err(|error| corrupt(&error))?;
    let store = Store::open(&data.join(STORE), rules.genesis_hash, &genesis_state)?;
    let loaded = store.load()?;
    let base = match loaded.final_record {
        None => None,
        Some(record) => {
            let block = stored_block(loaded.final_hash, &record)?;
            let header = Header::from_bytes(&record.header).map_err(|e| corrupt(&e))?;
            let trail = store.trail(header.height, rules.genesis.params.max_desync_blocks)?;
            Some(RestoreBase { block, state: loaded.final_state, trail })
        }
    };
    let mut open = Vec::with_capacity(loaded.open.len());
    for (record, changes) in loaded.open {
        let hash = Header::hash_bytes(&rules.genesis_hash, &record.header);
        open.push((stored_block(hash, &record)?, changes));
    }
    let tree = BlockTree::restore(rules.clone(), base, open).map_err(|error| corrupt(&error))?;
    store.align_chain(&canonical(&tree), now)?;
    Ok((store, tree))
}

/// Heights and hashes of the head's chain above the last final block.
fn canonical(tree: &BlockTree) -> Vec<(Height, Hash)> {
    let (from, to) = (tree.final_entry().height().get() + 1, tree.head().height().get());
    (from..=to)
        .filter_map(|height| tree.canonical(Height(height)).map(|entry| (entry.height(), entry.hash())))
        .collect()
}

fn stored_block(hash: Hash, record: &BlockRecord) -> Result<StoredBlock, Error> {
    let signature = Signature::from_slice(&record.signature)
        .ok_or_else(|| Error::Restore(format!("block {hash}: its signature is not 64 bytes long")))?;
    Ok(StoredBlock {
        hash,
        header_bytes: record.header.clone(),
        signature,
        tx_count: record.transactions.len(),
        size_bytes: record.size_bytes() as u64,
    })
}
