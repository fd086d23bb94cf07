//! `GET /api/chain/params`: one flat object.

use serde::ser::{Serialize, SerializeMap, Serializer};
use vision_primitives::ConsensusParams;

use crate::ports::ChainInfo;

/// Parameters that are amounts of money, and therefore decimal strings in JSON.
const AMOUNTS: [&str; 2] = ["block_reward", "min_fee"];

pub(crate) struct ParamsView<'a>(pub(crate) &'a ChainInfo);

impl Serialize for ParamsView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let info = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("chain_id", &info.chain_id)?;
        map.serialize_entry("genesis_hash", &info.genesis_hash)?;
        map.serialize_entry("genesis_time_ms", &info.genesis_time_ms)?;
        // In the order of the protocol's table, then whatever a newer chain service knows besides.
        let table = ConsensusParams::default().table().map(|(name, _)| name);
        let known = table.into_iter().filter_map(|name| Some((name, info.params.get(name)?)));
        let newer = info.params.iter().map(|(name, value)| (name.as_str(), value));
        for (name, value) in known.chain(newer.filter(|(name, _)| !table.contains(name))) {
            if AMOUNTS.contains(&name) {
                map.serialize_entry(name, &value.to_string())?;
            } else {
                map.serialize_entry(name, value)?;
            }
        }
        map.serialize_entry("entropy", &info.entropy)?;
        map.serialize_entry("finality", &info.finality)?;
        map.end()
    }
}
