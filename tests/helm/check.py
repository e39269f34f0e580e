"""Lints and renders the Helm chart, and reads what came out. Arguments: the chart's directory.

Every rendered document must be YAML with a kind and a name; the pod must not run as root nor write to its file system; values that
are not in the schema must be refused.
"""

import sys

import helm_python as helm
import yaml

chart_directory = sys.argv[1]
failures = []

# Helm's severities: 0 unknown, 1 information, 2 warning, 3 error.
WARNING = 2


def check(condition, message):
    if not condition:
        failures.append(message)


def render(values):
    with helm.Chart.load(chart_directory) as chart:
        rendered = chart.render(values, name="trial", namespace="default")
    documents = []
    for path, text in sorted(rendered.items()):
        if path.endswith((".yaml", ".yml")):
            documents += [document for document in yaml.safe_load_all(text) if document]
    return {document["kind"]: document for document in documents if document["metadata"]["name"]}


def pod_checks(deployment):
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    check(pod["securityContext"]["runAsNonRoot"] is True, "the pod may run as root")
    check(container["securityContext"]["readOnlyRootFilesystem"] is True, "the root file system is writable")
    check(container["securityContext"]["allowPrivilegeEscalation"] is False, "privileges may be escalated")
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        check(container[probe]["httpGet"]["port"] == "admin" and "admin" in ports, f"{probe} does not ask the admin port")
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    check(mounted == {volume["name"] for volume in pod["volumes"]}, "volumes and mounts differ")
    return container, ports


for finding in helm.lint(chart_directory).get("messages", []):
    print("lint:", finding)
    check(finding["severity"] < WARNING, f"lint: {finding}")

plain = render({})
check(set(plain) == {"ConfigMap", "Deployment", "Service", "ServiceAccount"}, f"rendered {sorted(plain)}")
pod_checks(plain["Deployment"])

full = render({
    "replicas": 3,
    "config": {"gateway": {}, "sources": {"billing": {"kind": "postgres", "url": {"env": "BILLING_URL"}}}},
    "secretEnv": [{"name": "BILLING_URL", "secret": "billing", "key": "url"}],
    "secretFiles": "portico-files",
    "podDisruptionBudget": {"enabled": True, "minAvailable": 2},
    "ports": {"http": 8443, "flight": 0, "admin": 9090},
})
container, ports = pod_checks(full["Deployment"])
check(container["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "billing", "key": "url"}, "the secret is not referred to")
check("flight" not in ports, "a closed door has a port")
check(full["PodDisruptionBudget"]["spec"]["minAvailable"] == 2, "the disruption budget is not rendered")
written = yaml.safe_load(full["ConfigMap"]["data"]["portico.yaml"])
check(written["sources"]["billing"] == {"kind": "postgres", "url": {"env": "BILLING_URL"}}, "the configuration is not written as given")

for wrong in ({"replicsa": 2}, {"config": {"sources": {"a": {}}}}, {"ports": {"http": 0, "admin": 1}}):
    try:
        with helm.Chart.load(chart_directory) as chart:
            chart.validate_schema(wrong)
        failures.append(f"the schema accepts {wrong}")
    except helm.HelmError:
        pass

for failure in failures:
    print("FAILED:", failure)
print("helm:", "failed" if failures else "the chart lints, renders and refuses wrong values")
sys.exit(1 if failures else 0)
