#!/usr/bin/python3
"""The deployment files of config/: that they parse, and that they are what they claim to be.

    manifests.py ROOT SALUT

Pods must be guaranteed (whole CPUs, requests equal to limits) and without privileges; what their
configurations say is read by the program itself; every path and drop-in that a header names exists.
Exit status 77 (skipped) without python3-yaml, which is not of the standard library.
"""
from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
import tempfile
from typing import Any, Iterator

try:
    import yaml
except ImportError:
    print("needs python3-yaml")
    sys.exit(77)

complaints: list[str] = []


def complain(where: str, text: str) -> None:
    complaints.append(f"{where}: {text}")


def pods(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pod specifications in a manifest."""
    if document["kind"] == "Pod":
        yield document["spec"]
    elif document["kind"] == "Deployment":
        yield document["spec"]["template"]["spec"]


def check_container(where: str, pod: dict[str, Any], container: dict[str, Any]) -> None:
    resources = container["resources"]
    if resources["requests"] != resources["limits"]:
        complain(where, "requests are not limits: the pod is not guaranteed")
    if not re.fullmatch(r"[1-9][0-9]*", str(resources["limits"]["cpu"])):
        complain(where, "not whole CPUs: the static CPU manager gives none")
    rights = {**pod.get("securityContext", {}), **container["securityContext"]}
    if rights["capabilities"]["drop"] != ["ALL"] or rights["allowPrivilegeEscalation"]:
        complain(where, "keeps capabilities that it does not name")
    if rights.get("privileged") or not rights["readOnlyRootFilesystem"]:
        complain(where, "more rights than it needs")
    names = {volume["name"] for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        if mount["name"] not in names:
            complain(where, f"no volume {mount['name']}")


def check_config(where: str, text: str, salut: str) -> None:
    """A configuration in a ConfigMap, read by the doctor."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text.replace("@PCI@", "0000:03:00.0"))
        file.flush()
        out = subprocess.run([salut, "doctor", "--config", file.name], check=False,
                             stdout=subprocess.PIPE, text=True).stdout
    if not re.match(r"green +configuration ", out):
        complain(where, out.splitlines()[0] if out else "the doctor says nothing")


def check_manifest(path: str, salut: str) -> int:
    where = os.path.basename(path)
    with open(path, encoding="utf-8") as file:
        documents = list(yaml.safe_load_all(file))
    resources: set[str] = set()
    asked: set[str] = set()
    for document in documents:
        for key, value in document.get("data", {}).items():
            if key.endswith(".toml"):
                check_config(f"{where}, {key}", value, salut)
            if key.endswith(".json"):
                resources |= {"intel.com/" + one["resourceName"]
                              for one in json.loads(value)["resourceList"]}
        for pod in pods(document):
            for container in [*pod.get("initContainers", []), *pod["containers"]]:
                check_container(f"{where}, {container['name']}", pod, container)
                asked |= {key for key in container["resources"]["limits"] if "/" in key}
    if resources != asked:
        complain(where, f"the plugin offers {resources}, the pods ask for {asked}")
    return len(documents)


def check_unit(root: str, name: str) -> None:
    path = os.path.join(root, "config/systemd", name)
    unit = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes="#")
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path, encoding="utf-8")
    if not unit.has_section("Service"):
        complain(name, "no [Service]")
    service = unit["Service"]
    bounding, ambient = (service.get(key, "") for key in ("CapabilityBoundingSet",
                                                          "AmbientCapabilities"))
    if service.get("User", "salut") != "root" and bounding != ambient:
        complain(name, "has capabilities that it cannot use, or lacks some")


def check_header(root: str, path: str) -> None:
    """Paths of the tree that a file's comments name."""
    with open(os.path.join(root, path), encoding="utf-8") as file:
        for word in re.findall(r"\bconfig/[\w./@-]*\w", file.read()):
            if not os.path.exists(os.path.join(root, word)):
                complain(path, f"no file {word}")


def main() -> None:
    root, salut = sys.argv[1:]
    count = 0
    for folder in ("systemd", "container", "kubernetes"):
        for name in sorted(os.listdir(os.path.join(root, "config", folder))):
            count += 1
            check_header(root, f"config/{folder}/{name}")
            if name.endswith((".service", ".conf")):
                check_unit(root, name)
            if name.endswith(".yaml"):
                check_manifest(os.path.join(root, "config", folder, name), salut)
    pages = sorted(os.listdir(os.path.join(root, "docs/deploy")))
    for page in pages:
        check_header(root, f"docs/deploy/{page}")
    print(f"{count} deployment files, {len(pages)} pages")
    for line in complaints:
        print(line)
    sys.exit(1 if complaints or count < 9 else 0)


main()
