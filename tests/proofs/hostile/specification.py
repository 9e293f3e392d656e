"""schemathesis over the daemon's own OpenAPI document: every call, with what the document allows and with what it forbids.

Deterministic (derandomized), so a failure here is the same failure everywhere. Left out are two of its checks: that all data
the document allows be accepted, because no schema can say that a wallet is empty or that two tokens must differ, and that
wrong tokens be refused, because it tries them faster than the gate lets anybody guess; `gate` has that.
"""

from collections import Counter
from typing import Any, NamedTuple

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from tests.conftest import RunningDaemon

BATCH = "/api/orders/batch"


class Found(NamedTuple):
    """How many cases of each call were sent, what they were answered, and what disagreed."""

    cases: Counter[str]
    statuses: Counter[int]
    violations: list[str]


@schemathesis.serializer("application/x-ndjson")
def _lines(_: Any, value: Any) -> bytes:
    """The generated text as it is; whatever else is generated, as one line of text."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def run(daemon: RunningDaemon, cases: int) -> Found:
    """At least so many cases, shared out evenly among the calls."""
    found = Found(Counter(), Counter(), [])
    document = daemon.get("/schema/openapi.json")
    read = list(schemathesis.openapi.from_dict(document).get_all_operations())
    operations = [each.ok() for each in read if isinstance(each, Ok)]
    assert len(operations) == len(read), "a call is described in a way that nobody understands"
    # `GET /` and a resume can be called in one way only, and of faults the crashes are left out: the others make up for them.
    each = cases // (2 * len(operations) - 8) + 1
    with requests.Session() as session:
        session.trust_env = False
        for operation in operations:
            for mode in GenerationMode:
                _examine(daemon, session, operation, mode, each, found)
            if operation.path == "/api/sim/faults":
                daemon.call("DELETE", "/api/sim/faults")
            if operation.path == "/api/halt":
                daemon.call("POST", "/api/resume")
    return found


def _examine(
    daemon: RunningDaemon, session: requests.Session, operation: Any, mode: GenerationMode, count: int, found: Found
) -> None:
    name = f"{operation.method.upper()} {operation.path}"
    excluded = [positive_data_acceptance, ignored_auth]
    if operation.path == BATCH:  # any text is lines, and what is wrong with one is said line by line
        excluded.append(negative_data_rejection)

    def one(case: Case[Any]) -> None:
        if isinstance(case.body, dict) and case.body.get("kind") == "crash":
            return  # it is what it says: the next order would end the daemon
        response = case.call(base_url=daemon.url, session=session, headers={**daemon.headers}, timeout=20)
        found.cases[name] += 1
        found.statuses[response.status_code] += 1
        try:
            case.validate_response(response, excluded_checks=excluded)
        except FailureGroup as group:
            told = [str(failure).replace("\n", " ") for failure in group.exceptions]
            if wrong := [text for text in told if "(was Authorization)" not in text]:  # taken out there, put back here
                sent = case.as_curl_command()
                found.violations.append(f"{name}: {'; '.join(wrong)} for {sent} -> {response.text[:300]}")

    examine = settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )(given(case=operation.as_strategy(generation_mode=mode))(one))
    try:
        examine()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, name  # a call without parameters cannot be called wrongly
