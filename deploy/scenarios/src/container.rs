//! What `docker inspect` shows of a container.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Label that names the compose project.
pub(crate) const PROJECT_LABEL: &str = "com.docker.compose.project";
/// Label that names the compose service.
const SERVICE_LABEL: &str = "com.docker.compose.service";

/// A container, as far as it is looked at here. Names as docker gives them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Container {
    /// Its id.
    pub id: String,
    /// How often docker has restarted it since it was started by hand.
    pub restart_count: u64,
    /// What it does now.
    pub state: State,
    /// What it was made with.
    pub config: Config,
    /// What the host gives it.
    pub host_config: HostConfig,
    /// Its volumes.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Its networks.
    pub network_settings: NetworkSettings,
}

/// What a container does now.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct State {
    /// `running`, `exited`, `paused` …
    pub status: String,
    /// Process id on the host; 0 if it does not run.
    pub pid: i32,
    /// How it ended last.
    pub exit_code: i64,
    /// Why docker could not start it; empty if it could.
    pub error: String,
    /// Whether it ended for want of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// When it was started last.
    pub started_at: String,
    /// Its health check's last word.
    pub health: Option<Health>,
}

/// The last word of a health check.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: String,
}

/// What a container was made with.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Config {
    /// What it was made from.
    pub image: String,
    /// User and group.
    pub user: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// What the host gives a container.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HostConfig {
    /// Whether its root cannot be written.
    pub readonly_rootfs: bool,
    /// Capabilities added.
    pub cap_add: Option<Vec<String>>,
    /// Capabilities taken away.
    pub cap_drop: Option<Vec<String>>,
    /// Security options.
    pub security_opt: Option<Vec<String>>,
    /// Memory limit, bytes; 0 for none.
    pub memory: u64,
    /// Whether it has every right of the host.
    pub privileged: bool,
}

/// A volume in a container.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Mount {
    /// Name of the volume; empty for a directory of the host.
    #[serde(default)]
    pub name: String,
    /// Whether it can be written.
    #[serde(rename = "RW")]
    pub writable: bool,
}

/// Networks and published ports.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NetworkSettings {
    /// Networks by name.
    pub networks: BTreeMap<String, Network>,
    /// Ports of the container, and where on the host they are published.
    pub ports: Option<BTreeMap<String, Option<Vec<Published>>>>,
}

/// A container's place in a network.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Network {
    /// Its address there; empty while it does not run.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
}

/// Where a port is published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Published {
    /// Address on the host.
    pub host_ip: String,
    /// Port on the host.
    pub host_port: String,
}

impl Container {
    /// Its compose service, such as `node1-chain`.
    pub(crate) fn service(&self) -> &str {
        self.config.labels.get(SERVICE_LABEL).map_or("", String::as_str)
    }

    /// Whether it runs and its health check says so.
    pub(crate) fn is_healthy(&self) -> bool {
        self.state.status == "running" && self.health() == "healthy"
    }

    /// `healthy`, `starting`, or how else it is.
    pub(crate) fn condition(&self) -> String {
        match (self.state.status.as_str(), self.health()) {
            ("running", "") => "running without a health check".into(),
            ("running", health) => health.to_owned(),
            ("exited", _) if self.state.error.is_empty() => format!("exited with {}", self.state.exit_code),
            ("exited", _) => format!("exited with {}: {}", self.state.exit_code, self.state.error),
            (status, _) => status.to_owned(),
        }
    }

    fn health(&self) -> &str {
        self.state.health.as_ref().map_or("", |health| health.status.as_str())
    }

    /// Its published ports.
    pub(crate) fn published(&self) -> Vec<&Published> {
        let ports = self.network_settings.ports.as_ref();
        ports.into_iter().flat_map(BTreeMap::values).flatten().flatten().collect()
    }

    /// What it lacks of a locked-up container; empty if nothing.
    pub(crate) fn looseness(&self) -> Vec<String> {
        let (config, host) = (&self.config, &self.host_config);
        let user = config.user.split(':').next().unwrap_or_default();
        let options = host.security_opt.as_deref().unwrap_or_default();
        let confined = ["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"];
        let drops_all = host.cap_drop.iter().flatten().any(|cap| cap.eq_ignore_ascii_case("all"));
        let faults = [
            (matches!(user, "" | "0" | "root"), format!("runs as user {:?}", config.user)),
            (!host.readonly_rootfs, "its root can be written".into()),
            (!drops_all, format!("keeps capabilities: drops only {:?}", host.cap_drop)),
            (host.cap_add.iter().any(|added| !added.is_empty()), format!("is given {:?}", host.cap_add)),
            (
                !options.iter().any(|option| confined.contains(&option.as_str())),
                format!("may gain privileges: {options:?}"),
            ),
            (host.memory == 0, "has no memory limit".into()),
            (host.privileged, "is privileged".into()),
        ];
        faults.into_iter().filter_map(|(is_so, fault)| is_so.then_some(fault)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn inspected() -> Value {
        json!({
            "Id": "c1", "RestartCount": 2, "Name": "/p_node1-chain_1",
            "State": { "Status": "running", "Pid": 7, "ExitCode": 0, "Error": "",
            "OOMKilled": false, "StartedAt": "t",
                       "Health": { "Status": "healthy", "Log": [] } },
            "Config": { "Image": "vision:local", "User": "65532:65532",
            "Labels": { "com.docker.compose.service": "node1-chain" } },
            "HostConfig": { "ReadonlyRootfs": true, "CapAdd": null, "CapDrop": ["ALL"], "Privileged": false,
                            "SecurityOpt": ["no-new-privileges:true"], "Memory": 1024 },
            "Mounts": [{ "Type": "volume", "Name": "p_node1-chain", "RW": true }],
            "NetworkSettings": {
                "Networks": { "p_p2p": { "IPAddress": "10.0.0.2", "Aliases": ["node1-chain"] } },
                "Ports": { "7072/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "7072" }], "9/tcp": null },
            },
        })
    }

    fn with(path: &str, value: Value) -> Container {
        let mut all = inspected();
        *all.pointer_mut(path).expect("a field") = value;
        serde_json::from_value(all).expect("a container")
    }

    #[test]
    fn conditions() {
        let cases = [
            ("/RestartCount", json!(0), "healthy", true),
            ("/State/Health/Status", json!("starting"), "starting", false),
            ("/State/Health/Status", json!("unhealthy"), "unhealthy", false),
            ("/State/Health", json!(null), "running without a health check", false),
            ("/State/Status", json!("paused"), "paused", false),
            ("/State/Status", json!("exited"), "exited with 0", false),
        ];
        for (path, value, expect, healthy) in cases {
            let container = with(path, value);
            assert_eq!((container.condition().as_str(), container.is_healthy()), (expect, healthy), "{path}");
        }
        let whole = with("/RestartCount", json!(2));
        assert_eq!(whole.service(), "node1-chain");
        let loopback = Published { host_ip: "127.0.0.1".into(), host_port: "7072".into() };
        assert_eq!(whole.published(), [&loopback]);
    }

    #[test]
    fn what_is_loose_is_named() {
        let cases = [
            ("/RestartCount", json!(0), ""),
            ("/Config/User", json!(""), "runs as user"),
            ("/Config/User", json!("0:0"), "runs as user"),
            ("/Config/User", json!("root"), "runs as user"),
            ("/HostConfig/ReadonlyRootfs", json!(false), "root can be written"),
            ("/HostConfig/CapDrop", json!(["NET_RAW"]), "keeps capabilities"),
            ("/HostConfig/CapDrop", json!(null), "keeps capabilities"),
            ("/HostConfig/CapAdd", json!(["CHOWN"]), "is given"),
            ("/HostConfig/CapAdd", json!([]), ""),
            ("/HostConfig/SecurityOpt", json!(null), "may gain privileges"),
            ("/HostConfig/SecurityOpt", json!(["no-new-privileges:false"]), "may gain privileges"),
            ("/HostConfig/Memory", json!(0), "no memory limit"),
            ("/HostConfig/Privileged", json!(true), "is privileged"),
        ];
        for (path, value, expect) in cases {
            let found = with(path, value.clone()).looseness().join("; ");
            assert!(
                found.contains(expect) && found.is_empty() == expect.is_empty(),
                "{path} {value}: {found}"
            );
        }
    }
}
