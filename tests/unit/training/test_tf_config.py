"""What `TF_CONFIG` says, and what is said where it says nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from celestialkeras.errors import RunError
from celestialkeras.training.share import Share
from celestialkeras.training.tf_config import config_of, share_of

HOSTS = ["a:1", "b:2", "c:3"]


def said(cluster: Any, kind: Any = "worker", index: Any = 0) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_first_worker_is_the_chief_where_none_is_named() -> None:
    assert [share_of(said({"worker": HOSTS}, "worker", n)) for n in range(3)] == [Share(n, 3) for n in range(3)]


def test_a_named_chief_goes_before_the_workers() -> None:
    cluster = {"chief": HOSTS[:1], "worker": HOSTS[1:]}
    assert share_of(said(cluster, "chief", 0)) == Share(0, 3)
    assert share_of(said(cluster, "worker", 1)) == Share(2, 3)


def test_what_is_written_is_read_back() -> None:
    assert share_of({"TF_CONFIG": config_of(HOSTS, 2)}) == Share(2, 3)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "TF_CONFIG must say which workers there are .* Received: ''"),
        ({"TF_CONFIG": "host0:12345"}, "such as .*host0:12345.*Received: 'host0:12345'"),
        ({"TF_CONFIG": "[]"}, r"Received: '\[\]'"),
        ({"TF_CONFIG": '{"cluster": {}}'}, "must say which workers"),
        (said(["a:1"]), "must say which workers"),
        (said({"worker": HOSTS}, index="first"), "must say which workers"),
        (said({"worker": HOSTS, "ps": ["d:4"]}), "must list workers and at most one chief"),
        (said({"chief": HOSTS}, "chief"), "must list workers and at most one chief"),
        (said({"worker": HOSTS}, index=3), "lists no task worker 3"),
        (said({"worker": HOSTS}, index=-1), "lists no task worker -1"),
        (said({"worker": HOSTS}, "evaluator"), "lists no task evaluator 0"),
    ],
)
def test_what_it_cannot_be_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(RunError, match=message):
        share_of(environment)
