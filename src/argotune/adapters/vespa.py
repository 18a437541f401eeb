"""Content from a Vespa application, through pyvespa: search where a field says whose a document is, visit where
namespaces keep tenants apart.

Every application has its own schemas and fields, so they are settings. Whatever Vespa selects, a document is checked
again here: one that is not the tenant's is counted and never handed on. Written after Vespa's documentation of the
query API, of /document/v1 and of the default result format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args
from urllib.parse import urlsplit

import httpr
from requests.exceptions import RequestException
from vespa.application import Vespa, VespaSync
from vespa.exceptions import VespaError
from vespa.io import VespaQueryResponse

from argotune.adapters.reasons import KEY, lasting_reason, met_by, passing_reason
from argotune.adapters.retrying import Passing, Patience, seconds_asked
from argotune.errors import AccessDenied, ArgotuneError, BadAnswer, ConfigInvalid, RateLimited, Unavailable
from argotune.errors.known_secrets import remember, remember_login
from argotune.errors.lines import told
from argotune.settings import ContentField, VespaLayout
from argotune.synthetic.content import BadContent, Content, Sample, read_content, sample_of
from argotune.tenants.ids import percent_encoded

PAGE = 100
MAX_LOOKED = 1000
"""Documents of each modality and schema that a sample is drawn from: Vespa's own limit of an offset."""

PATIENCE = Patience(retries=2)
_PASSING = (None, 429, 502, 503)
"""Statuses that may pass; None where nothing answered. A query that took too long would do so again."""

CONTENT_FIELDS: tuple[ContentField, ...] = get_args(ContentField)

_TIMEOUT_CODE = 12
T = TypeVar("T")


@dataclass(frozen=True)
class VespaAccess:
    """How to get in: a token, or a certificate with its key, or nothing on a network of one's own."""

    url: str
    token: str | None = field(default=None, repr=False)
    certificate: Path | None = None
    key: Path | None = None
    timeout_s: float = 30.0


class _Patient:
    """The client that pyvespa sends through: what may pass is sent again, and a refusal leaves as an error of ours.

    pyvespa's own policies ask at once again, whatever was refused, and do not look at Retry-After.
    """

    def __init__(self, client: Any, access: VespaAccess) -> None:
        self._client, self._access = client, access

    def get(self, url: str, **arguments: Any) -> Any:
        """The answer to a GET."""
        return PATIENCE.call(lambda: self._once(self._client.get, url, arguments))

    def post(self, url: str, **arguments: Any) -> Any:
        """The answer to a POST, which only ever asks."""
        return PATIENCE.call(lambda: self._once(self._client.post, url, arguments))

    def _once(self, send: Callable[..., Any], url: str, arguments: Mapping[str, Any]) -> Any:
        try:
            response = send(url, **arguments)
        except (httpr.RequestError, OSError) as error:
            raise _passing(_not_reached(error, self._access)) from error
        if response.status_code >= 400:
            raise _passing(_refused(response), response.status_code, response.headers.get("retry-after"))
        return response


def _passing(error: ArgotuneError, status: int | None = None, retry_after: str | None = None) -> Exception:
    """What to raise for a failure: the error itself where another attempt would fail too, or cost Vespa as much."""
    if not isinstance(error, Unavailable) or status not in _PASSING:
        return error
    return Passing(error, seconds_asked(retry_after))


class VespaContent:
    """A tenant's documents in Vespa. Nothing is connected before the first question."""

    def __init__(self, access: VespaAccess, layout: VespaLayout) -> None:
        self._access, self._layout = access, layout
        remember(access.token)
        remember_login(access.url)

    def sample(
        self, tenant_id: str, count: int, modalities: Sequence[str], profiles: Sequence[str] = (), seed: int = 0
    ) -> Sample:
        """As ContentSource; profiles are schemas. Drawn from the first MAX_LOOKED documents of each modality."""
        schemas = [schema for schema in self._layout.schemas if not profiles or schema in profiles]
        return self._asked(
            lambda vespa: sample_of(self._found(vespa, tenant_id, schemas, modalities), count, modalities, (), seed)
        )

    def count(self, tenant_id: str, modalities: Sequence[str]) -> int:
        """As ContentSource, up to MAX_LOOKED of each modality: Vespa's own count may have others' in it."""
        return self._asked(
            lambda vespa: sum(
                isinstance(content, Content)
                for content in self._found(vespa, tenant_id, self._layout.schemas, modalities)
            )
        )

    def ping(self) -> str:
        """Asks for no document of nobody: proves address, access and schemas."""

        def looked(vespa: VespaSync) -> str:
            for schema in self._layout.schemas:
                self._query(vespa, {"yql": _yql(schema, "true"), "hits": 0})
            return f"Vespa with {', '.join(self._layout.schemas)}"

        return self._asked(looked)

    def _field(self, name: ContentField) -> str:
        return self._layout.fields.get(name, name)

    def _namespace_of(self, tenant_id: str) -> str:
        """Percent-encoded: ids are free text, and a namespace ends at a colon."""
        return self._layout.namespace.replace("{tenant}", percent_encoded(tenant_id))

    def _asked(self, work: Callable[[VespaSync], T]) -> T:
        access = self._access
        with _told(access):
            app = Vespa(
                url=access.url.rstrip("/"),
                vespa_cloud_secret_token=access.token,
                cert=str(access.certificate) if access.certificate else None,
                key=str(access.key) if access.key else None,
            )
            client = app.get_sync_session()
            try:
                client.timeout = access.timeout_s
                session: Any = _Patient(client, access)  # pyvespa annotates a Session of requests and sends by httpr
                with app.syncio(session=session, num_retries_429=0) as vespa:
                    return work(vespa)
            finally:
                client.close()

    def _found(
        self, vespa: VespaSync, tenant_id: str, schemas: Sequence[str], modalities: Sequence[str]
    ) -> Iterator[Content | BadContent]:
        look = self._visited if self._layout.namespace else self._searched
        for schema in schemas:
            for modality in modalities:
                for document in look(vespa, tenant_id, schema, modality):
                    yield self._read(document, tenant_id, schema)

    def _searched(self, vespa: VespaSync, tenant_id: str, schema: str, modality: str) -> Iterator[Any]:
        for offset in range(0, MAX_LOOKED, PAGE):
            hits = self._page(vespa, tenant_id, schema, modality, PAGE, offset).get("children", [])
            yield from hits
            if len(hits) < PAGE:
                return

    def _page(self, vespa: VespaSync, tenant_id: str, schema: str, modality: str, hits: int, offset: int) -> Any:
        """The `root` of one page. Values are parameters of the query: no tenant's id is ever part of its text."""
        layout = self._layout
        where = f"{layout.tenant_field} contains @tenant and {self._field('modality')} contains @modality"
        body = {"yql": _yql(schema, where), "tenant": tenant_id, "modality": modality}
        return self._query(vespa, {**body, "hits": hits, "offset": offset, "ranking": "unranked"})

    def _query(self, vespa: VespaSync, body: Mapping[str, Any]) -> Any:
        response = vespa.query({**body, "timeout": f"{self._access.timeout_s}s"})
        assert isinstance(response, VespaQueryResponse)  # nothing is streamed
        root = response.json["root"]
        if errors := root.get("errors"):
            raise _problem(response.status_code, errors)
        coverage = root.get("coverage", {})
        if not coverage.get("full", True) and set(_causes(coverage)) != {"match-phase"}:
            raise Unavailable(
                f"Vespa: answered for {coverage.get('coverage')} % of the documents only "
                f"({', '.join(_causes(coverage)) or 'no cause given'})"
            )
        return root

    def _visited(self, vespa: VespaSync, tenant_id: str, schema: str, modality: str) -> Iterator[Any]:
        (pages,) = vespa.visit(
            content_cluster_name=self._layout.cluster,
            schema=schema,
            namespace=percent_encoded(self._namespace_of(tenant_id)),
            selection=f'{schema}.{self._field("modality")} == "{modality}"',
            wanted_document_count=PAGE,
            slice_id=0,
            timeout=f"{self._access.timeout_s}s",
        )
        looked = 0
        for page in pages:
            for document in page.json["documents"]:
                looked += 1
                yield document
            if looked >= MAX_LOOKED:
                return

    def _read(self, document: Any, tenant_id: str, schema: str) -> Content | BadContent:
        """A hit or a visited document. Whose it is, is looked at again: a search for one word of an id finds others."""
        if not isinstance(document, Mapping) or not isinstance(document.get("fields"), Mapping):
            return BadContent.NO_OBJECT
        layout, given = self._layout, document["fields"]
        id = given.get("documentid") or document.get("id")
        if layout.namespace:
            is_own = isinstance(id, str) and id.startswith(f"id:{self._namespace_of(tenant_id)}:")
        else:
            is_own = given.get(layout.tenant_field) == tenant_id
        if not is_own:
            return BadContent.OTHER_TENANT
        own = {name: given.get(self._field(name)) for name in CONTENT_FIELDS}
        return read_content({**own, "id": id, "profile": schema})


def _yql(schema: str, where: str) -> str:
    """Made of names that VespaLayout has checked."""
    return f"select * from {schema} where {where}"  # noqa: S608


def _causes(coverage: Mapping[str, Any]) -> list[str]:
    return [name for name, is_so in coverage.get("degraded", {}).items() if is_so]


def _refused(response: Any) -> ArgotuneError:
    """The error that an answer of status 400 or more tells: in words of the query API, of visits, or of neither."""
    try:
        body = response.json()
        found = body.get("root", {}).get("errors") or body.get("message")
    except (ValueError, RuntimeError, AttributeError):
        found = None
    return _problem(response.status_code, found or f"HTTP {response.status_code}: {response.text}")


def _problem(status: int, errors: Any) -> ArgotuneError:
    """What Vespa's errors mean. `errors` is its list of {code, summary, source, message}, or a text."""
    first = errors[0] if isinstance(errors, list) and errors else errors
    if isinstance(first, Mapping):
        code, said = first.get("code"), ": ".join(str(first[n]) for n in ("summary", "message") if first.get(n))
    else:
        code, said = None, str(first)
    kind = _kind(status, code)
    return kind(f"Vespa: {told(said) or f'HTTP {status}'}")


def _kind(status: int, code: Any) -> type[ArgotuneError]:
    if status in (401, 403):
        return AccessDenied
    if status == 429:
        return RateLimited
    if status in (400, 404, 405) and code != _TIMEOUT_CODE:
        return ConfigInvalid
    return Unavailable


@contextmanager
def _told(access: VespaAccess) -> Iterator[None]:
    """What pyvespa and its clients raise, as errors of ours. The token is in none of their texts."""
    try:
        yield
    except ArgotuneError:
        raise
    except (VespaError, RequestException, httpr.HTTPError, httpr.RequestError) as error:
        raise _not_reached(error, access) from error
    except OSError as error:
        raise ConfigInvalid(f"Vespa: {error.filename or 'certificate'}: {error.strerror or error}") from error
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise BadAnswer(told(f"Vespa: an answer is not as documented: {error!r}")) from error


def _not_reached(error: Exception, access: VespaAccess) -> ArgotuneError:
    """What a client says that got no answer, which is little: a connection of our own finds out why."""
    url = urlsplit(access.url)
    host, is_tls = url.hostname or "", url.scheme == "https"
    met = met_by(host, url.port or (443 if is_tls else 80), is_tls=is_tls, timeout_s=access.timeout_s)
    if reason := lasting_reason(met or error):
        named = reason.replace(KEY, "ARGOTUNE_VESPA_TOKEN")
        return ConfigInvalid(told(f"VESPA_URL: {host}: {named}", 400))
    said = passing_reason(met) if met else type(error).__name__
    return Unavailable(told(f"Vespa at {host} does not answer: {said}"))
