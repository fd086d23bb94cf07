"""What every pod may and may not: the "restricted" Pod Security Standard, and this project's own."""

# See "Pod Security Standards" in the Kubernetes documentation; the namespace enforces the same on a cluster.
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
MEMORY = {"chain": "128Mi"}


def restricted(site):
    """The restricted profile, of today."""
    for pod in site.pods():
        spec = pod.spec
        of_pod = spec.get("securityContext", {})
        for flag in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(flag):
                yield f"{pod.name}: {flag}"
        if of_pod.get("sysctls") or of_pod.get("supplementalGroups"):
            yield f"{pod.name}: sysctls or further groups"
        for volume in spec.get("volumes", []):
            kinds = set(volume) - {"name"}
            if not kinds <= VOLUMES:
                yield f"{pod.name}: volume of {kinds}"
        for container in pod.containers:
            where = f"{pod.name}/{container['name']}"
            own = container.get("securityContext", {})

            def setting(key):
                return own.get(key, of_pod.get(key))

            if own.get("privileged") or own.get("procMount") or "windowsOptions" in own:
                yield f"{where}: privileged, procMount or windowsOptions"
            if own.get("allowPrivilegeEscalation") is not False:
                yield f"{where}: may escalate privileges"
            capabilities = own.get("capabilities", {})
            if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
                yield f"{where}: has capabilities"
            if setting("runAsNonRoot") is not True or setting("runAsUser") == 0:
                yield f"{where}: may run as root"
            if (setting("seccompProfile") or {}).get("type") != "RuntimeDefault":
                yield f"{where}: no seccomp profile"
            if (setting("appArmorProfile") or setting("seLinuxOptions")) is not None:
                yield f"{where}: an AppArmor profile or SELinux label of its own"
            if any("hostPort" in port for port in container.get("ports", [])):
                yield f"{where}: takes a port of the host"
    for namespace in site.all("Namespace"):
        if namespace["metadata"]["labels"].get("pod-security.kubernetes.io/enforce") != "restricted":
            yield "the namespace does not enforce the restricted profile"


def ours(site):
    """Read-only root, one user, no token, no variables of Services, limits, one image."""
    for pod in site.pods():
        spec, of_pod = pod.spec, pod.spec["securityContext"]
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.name}: has a token for the cluster"
        if spec.get("enableServiceLinks") is not False:
            yield f"{pod.name}: Services become settings"
        if [of_pod.get(key) for key in ("runAsUser", "runAsGroup", "fsGroup")] != [65532] * 3:
            yield f"{pod.name}: is not user, group and fsGroup 65532, which the image is made for"
        for container in pod.containers:
            where, resources = f"{pod.name}/{container['name']}", container.get("resources", {})
            if container["securityContext"].get("readOnlyRootFilesystem") is not True:
                yield f"{where}: can write to its root"
            memory = MEMORY.get(container["name"], "48Mi")
            if resources.get("limits") != {"memory": memory}:
                yield f"{where}: limits are {resources.get('limits')}, not {memory} of memory alone"
            if resources.get("requests", {}).get("memory") != memory or "cpu" not in resources["requests"]:
                yield f"{where}: requests are {resources.get('requests')}"
            if container.get("imagePullPolicy") != "IfNotPresent":
                yield f"{where}: pulls its image {container.get('imagePullPolicy')}"
    images = {container["image"] for pod in site.pods() for container in pod.containers}
    if len(images) != 1 or "vision" in images:
        yield f"the images are {sorted(images)}: one, with a tag, is meant"
    for pod in site.node_pods():
        if [c["name"] for c in pod.containers] != [c["args"][0] for c in pod.containers] or len(pod.containers) != 5:
            yield f"{pod.name}: its containers are {[c['name'] for c in pod.containers]}"
        if pod.spec["terminationGracePeriodSeconds"] < 10:
            yield f"{pod.name}: a service needs 8 s to drain"
        if pod.of["spec"]["updateStrategy"] != {"type": "OnDelete"}:
            yield f"{pod.name}: all nodes would be restarted at once"
    for pod in site.job_pods():
        if pod.spec.get("restartPolicy") != "Never" or pod.of["spec"].get("ttlSecondsAfterFinished") is not None:
            yield f"{pod.name}: a Job that is gone or comes back could replace lost claims"


RULES = [restricted, ours]
