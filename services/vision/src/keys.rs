//! `vision keys`.

use std::path::Path;

use serde_json::json;
use vision_primitives::PublicKey;

use crate::cli::{Keys, ShowArgs};
use vision_terminal::exit::Outcome;
use vision_terminal::keys::{peer, random_key, read_public_file, read_secret, write_secret};
use vision_terminal::output::{self, Format};

/// `vision keys …`.
pub(crate) fn run(command: &Keys, format: Format) -> Outcome {
    match command {
        Keys::New { out } => {
            let key = random_key()?;
            write_secret(out, &key)?;
            show(&key.public_key(), format)
        }
        Keys::Show(args) => show(&read_public(args)?, format),
        Keys::Peer { home, producer_key } => make_peer(home, producer_key.as_deref(), format),
        Keys::NewClaims { home } => {
            crate::service::create_claims(home)?;
            eprintln!("the node in {} may sign its first block", home.display());
            Ok(())
        }
        Keys::ResetClaims { home, above } => {
            crate::service::reset_claims(home, *above)?;
            eprintln!("the node in {} will sign only above height {above}", home.display());
            Ok(())
        }
    }
}

fn make_peer(home: &Path, producer_key: Option<&Path>, format: Format) -> Outcome {
    let made = peer::make(home, producer_key)?;
    let (node_id, peer_key) = (made.node.id().to_string(), made.peer.to_string());
    match format {
        Format::Json => output::json(
            &json!({ "node_id": node_id, "peer_public_key": peer_key, "chain_id": made.chain_id }),
        )?,
        Format::Table => output::write(&output::properties_within(
            output::width(),
            &[("node_id", node_id), ("peer_public_key", peer_key), ("chain_id", made.chain_id)],
        ))?,
    }
    let what = if made.is_new { "a new peer key" } else { "the existing peer key" };
    eprintln!("{what} in {} is certified; a running node uses it from its next start on", home.display());
    Ok(())
}

fn show(key: &PublicKey, format: Format) -> Outcome {
    let (address, public_key) = (key.id().to_string(), key.to_string());
    match format {
        Format::Json => output::json(&json!({ "address": address, "public_key": public_key })),
        Format::Table => {
            let rows = [("address", address), ("public_key", public_key)];
            output::write(&output::properties_within(output::width(), &rows))
        }
    }
}

fn read_public(args: &ShowArgs) -> Outcome<PublicKey> {
    if let Some(file) = args.file.as_ref().or(args.key.as_ref()) {
        return Ok(read_secret(file)?.public_key());
    }
    read_public_file(&args.home.as_deref().unwrap_or(Path::new(".")).join("node.pub"))
}
