//! What blocks are judged on, as a node reports it in JSON: the chain's parameters, and the producers after a
//! block.

use serde_json::{Map, Value, json};
use vision_light::{Listed, RegistryAnswer, Rules, Standing};
use vision_primitives::{ConsensusParams, Height, NodeId, PublicKey, TimestampMs};

use super::fault::cut;
use super::reported::field;
use vision_terminal::values::decimal;

/// Of `GET /api/chain/params`; every parameter must be there and within its range.
pub(super) fn rules(reported: &Value) -> Result<Rules, String> {
    let mut params = Map::new();
    for (name, _) in ConsensusParams::default().table() {
        let value = &reported[name];
        // Amounts are decimal text.
        let number = value.as_u64().or_else(|| decimal(value.as_str()?));
        params.insert(name.into(), json!(number.ok_or_else(|| format!("{name} is missing"))?));
    }
    let params: ConsensusParams = serde_json::from_value(params.into()).map_err(|error| error.to_string())?;
    params.check().map_err(|error| error.to_string())?;
    let time = reported["genesis_time_ms"].as_u64().ok_or("genesis_time_ms is missing")?;
    let chain_id = reported["chain_id"].as_str().ok_or("chain_id is missing")?;
    if reported["entropy"] != "prev_hash" {
        return Err(format!("its entropy is {}; only prev_hash is supported", reported["entropy"]));
    }
    Ok(Rules::new(chain_id, field(reported, "genesis_hash")?, TimestampMs(time), params))
}

/// Of `GET /api/chain/producers?height=`.
pub(super) fn registry(reported: &Value) -> Result<RegistryAnswer, String> {
    answer(reported).map_err(|why| cut(&why))
}

fn answer(reported: &Value) -> Result<RegistryAnswer, String> {
    let mut producers = Vec::new();
    for list in ["registered", "candidates"] {
        for entry in reported[list].as_array().ok_or_else(|| format!("{list} is not a list"))? {
            let (id, key) = (field(entry, "node_id")?, PublicKey(field(entry, "public_key")?.0));
            let standing = match (list, entry["status"].as_str()) {
                ("registered", Some("active")) => Standing::Active,
                ("registered", Some("suspended")) => Standing::Suspended,
                ("candidates", Some("candidate")) => Standing::Candidate,
                (_, status) => return Err(format!("{id} is {status:?} among the {list}")),
            };
            producers.push(Listed { id, key, standing });
        }
    }
    let active = reported["active"].as_array().ok_or("active is not a list")?;
    let id = |id: &Value| -> Result<NodeId, String> {
        let text = id.as_str().ok_or("an id in active is not a string")?;
        text.parse().map_err(|error| format!("an id in active: {error}"))
    };
    Ok(RegistryAnswer {
        height: Height(reported["height"].as_u64().ok_or("height is missing")?),
        hash: field(reported, "hash")?,
        producers,
        active: active.iter().map(id).collect::<Result<_, _>>()?,
        pool_root: field(reported, "pool_root")?,
        registered_root: field(reported, "registered_root")?,
    })
}
