"""``create_blueprint``: the dashboard as a Flask blueprint. Registering it opens nothing; the first request does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Blueprint, Response, request, url_for
from flask_sock import Sock
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Response as Answer

from dashboard import config
from dashboard.actions import ActionContext, ActionSettings, open_context
from dashboard.caretaker.caretaker import Caretaker, CaretakerSettings
from dashboard.config import Policy, Settings
from dashboard.errors import Forbidden, MethodNotAllowed, NotFound, Problem
from dashboard.http import bounds, mounting, openapi, transports
from dashboard.http.address import PublicAddress, check_allowed_hosts, check_public_url
from dashboard.http.admission import can_stream
from dashboard.http.assets import Assets
from dashboard.http.auth import AuthHook, LoginAnswer, authenticate
from dashboard.http.auth.origin import allowed_origins_of, require_same_origin, share_with
from dashboard.http.auth.tokens import BearerTokens
from dashboard.http.headers import API_POLICY, page_policy, plain, secured
from dashboard.http.pipeline import admit, answer, invoke, problem_of, problem_response
from dashboard.http.routing import RequestContext, Route
from dashboard.http.server import is_stopping
from dashboard.live.hub import LiveHub
from dashboard.live.stream import Stream
from dashboard.mcp.http import McpEndpoint
from dashboard.read import service, traces
from dashboard.read.seen import seen_by
from dashboard.read.services import Services
from dashboard.routes import all_routes, published
from dashboard.routes.answers import actions_in
from otel_bridge.codec import Codec, Redact, Serializer, mask_text
from otel_bridge.errors import BridgeError
from otel_bridge.ledger import open_ledger
from otel_bridge.ledger.base import Ledger
from otel_bridge.runs.prices import PriceTable
from otel_bridge.store import open_store
from otel_bridge.store.base import StateStore

if TYPE_CHECKING:
    from dbos import DBOSClient
    from sqlite_utils import Database

log = logging.getLogger(__name__)


def create_blueprint(
    store: str | Path | Database | StateStore,
    *,
    client: DBOSClient | Callable[[], DBOSClient] | None = None,
    auth: AuthHook | None = None,
    may: Policy | None = None,
    allowed_origins: Collection[str] = (),
    public_url: str | None = None,
    allowed_hosts: Collection[str] = (),
    ledger: Ledger | str | None = None,
    ledger_schema: str | None = None,
    trace_url: str | None = None,
    webhook_secret: str | None = None,
    redact: Redact | None = None,
    serializer: Serializer | None = None,
    prices: PriceTable | None = None,
    namespace: str = "",
    schema: str = "dbos",
    name: str = config.NAME,
    title: str = config.TITLE,
    actions: bool | ActionSettings = True,
    caretaker: bool | CaretakerSettings = True,
    public_metrics: bool = False,
    public_health: bool = False,
    heartbeat_s: float = config.HEARTBEAT_S,
    stream_max_age_s: float = config.STREAM_MAX_AGE_S,
    max_streams: int | None = None,
    max_streams_per_viewer: int | None = None,
    max_body_bytes: int = config.MAX_BODY_BYTES,
    payload_cap_bytes: int = config.PAYLOAD_CAP_BYTES,
    stream_queue: int = config.STREAM_QUEUE,
) -> DashboardBlueprint:
    """Return the dashboard over one system database; register it under any ``url_prefix``, in any Flask app.

    Args:
        store: ``sqlite:///`` or ``postgresql://`` URL, a path, a ``sqlite_utils.Database`` or a ``StateStore``.
            It may not exist yet: the page says so until it does.
        client: a ``dbos.DBOSClient``, or a callable that returns one; default: one made from the store's URL.
        auth: callable(request) -> ``dashboard.actor.Actor``, ``"viewer"``, ``"operator"``, None for nobody, or a
            Flask response for the page to send instead (a redirect to a login). Default: this machine only.
        may: callable(actor, action, run) -> bool, for teams and tenants: ``see`` decides whether a run is there at all
            for this actor, in every list, count, stream and detail; the names of ``allowed`` and ``start``, what may be
            done, besides the role. It is asked about each row, so it must be quick; one that fails refuses.
        allowed_origins: other dashboards' origins (``https://ops.example.com``) whose pages may read and act here.
        public_url: where others reach the dashboard, such as ``https://ops.example.com/durable``: kept in the ledger,
            where workers read it for the URLs of webhooks. Default: learnt from requests of operators.
        allowed_hosts: the Host headers from which it may be learnt. Default: any that an operator used; none under
            ``may``. Name them where ``auth`` believes the network.
        ledger: a ``Ledger`` or the URL to open one for; default: beside the store.
        ledger_schema: on Postgres, where the ledger keeps its tables; default by ``schema`` and ``namespace``.
        trace_url: link from a run to its trace: ``jaeger:https://host``, ``tempo:…``, ``datadog``, ``honeycomb:…``
            or a template with ``{trace_id}``, ``{span_id}``, ``{run_id}``.
        webhook_secret: signs webhook tokens; default: made once and kept in the ledger.
        redact: hides secrets in all that is sent: ``otel_bridge.codec.redact_keys(["*token*"])``, or any callable.
        serializer: the application's own DBOS serializer. Its ``deserialize`` is called here, on the values that it
            wrote; those that the engine's own formats hold are read without executing anything, as ever.
        prices: what tokens cost by model: ``otel_bridge.runs.prices.load_prices("prices.json")``.
        namespace: the bridge's, for trace ids and for the ledger's place.
        schema: on Postgres, where DBOS keeps its tables. name: the blueprint's; two in one app need two.
        actions: False serves a read-only dashboard; ``ActionSettings`` names validators, a webhook signature hook, ...
        caretaker: False: this process hands no dead run to its handler and recovers none; ``CaretakerSettings`` names
            dead-letter handlers, switches recovery of lost executors' runs on, and says what may be deleted. It starts
            with the first request to the app.
        public_metrics, public_health: serve these routes without auth. Of its health, strangers learn ``ok`` or not.
        heartbeat_s: how often a quiet stream says that it is alive, and ``auth`` is asked again about open ones.
        stream_max_age_s: how long a stream lasts; its viewer then reconnects and resumes where it was.
        max_streams, max_streams_per_viewer: how many streams a server process holds, by default as many as its threads
            allow (0: none), and how many of them one actor, by default half.
        max_body_bytes: the longest request body. payload_cap_bytes: how much of a stored value is shown unless all of
            it is asked for. stream_queue: how many messages wait for a slow viewer before its stream ends.

    Raises:
        ValueError: an address or a template is malformed. ConfigurationError: ``serializer`` is not a serializer.
    """
    settings = Settings(
        namespace=namespace,
        name=name,
        title=title,
        auth=auth.with_ledger(lambda: services.ledger) if isinstance(auth, BearerTokens) else auth,
        may=may,
        allowed_origins=allowed_origins_of(allowed_origins),
        public_url=check_public_url(public_url),
        allowed_hosts=check_allowed_hosts(allowed_hosts),
        trace_url=trace_url,
        codec=Codec(redact=redact, serializer=serializer),
        prices=prices,
        public_metrics=public_metrics,
        public_health=public_health,
        heartbeat_s=heartbeat_s,
        stream_max_age_s=stream_max_age_s,
        max_streams=max_streams,
        max_streams_per_viewer=max_streams_per_viewer,
        max_body_bytes=max_body_bytes,
        payload_cap_bytes=payload_cap_bytes,
        stream_queue=stream_queue,
    )

    def open_the_ledger(opened: StateStore) -> Ledger:
        if ledger is None or isinstance(ledger, str):
            return open_ledger(
                ledger or opened.url, schema=ledger_schema, engine_schema=opened.engine_schema, namespace=namespace
            )
        return ledger

    def open_the_actions(services: Services) -> ActionContext:
        if actions is False:
            raise Forbidden("This dashboard is read-only: it was created with actions=False.")
        return open_context(
            services.store,
            services.ledger,
            client=client,
            settings=None if actions is True else actions,
            webhook_secret=webhook_secret,
            failures=services.failures,
            workers=services.workers,
        )

    services = Services(
        settings,
        open_store=lambda: open_store(store, schema=schema),
        open_ledger=open_the_ledger,
        open_actions=open_the_actions,
    )
    services.acts = actions is not False
    keeper = None
    if actions is not False and caretaker is not False:
        chosen = None if caretaker is True else caretaker
        keeper = Caretaker(lambda: actions_in(services), chosen, outages=services.outages)
    return DashboardBlueprint(services, routes=all_routes(), caretaker=keeper)


class DashboardBlueprint(Blueprint):
    """The blueprint, with its services. ``close`` ends its streams and connections; tests and reloads want that."""

    def __init__(
        self,
        services: Services,
        *,
        routes: Sequence[Route],
        static_dir: Path | None = None,
        caretaker: Caretaker | None = None,
    ) -> None:
        super().__init__(services.settings.name, __name__)
        self.services = services
        self.caretaker = caretaker
        if caretaker is not None:
            # Not at registration: a server that forks its workers afterwards would leave the thread behind.
            self.before_app_request(caretaker.start)
        settings = services.settings
        self.address = PublicAddress(services, given=settings.public_url, hosts=settings.allowed_hosts)
        self.before_app_request(self.address.publish)
        self.hub = services.hub = LiveHub(services, is_stopping=is_stopping)
        self.routes = [published(route, services.settings) for route in routes]
        self.assets = Assets() if static_dir is None else Assets(static_dir)
        self._map = Map([Rule("/" + route.path, methods=[route.method], endpoint=route.name) for route in self.routes])
        self._document: tuple[str, dict[str, Any]] | None = None
        self._mcp = McpEndpoint(services, lambda who: within(services, who))
        self._sock = Sock()
        for route in self.routes:
            self._add(route)
        self._add_pages()
        self.before_request(self._check)
        self.after_request(lambda response: share_with(request, response, services.settings.allowed_origins))
        self.record(mounting.check)
        for prepare in (
            mounting.refuse_unroutable,
            mounting.exempt_from_csrf,
            mounting.read_ids_of_paths,
            transports.set_thread_class,
        ):
            self.record(prepare)

    def close(self) -> None:
        """End every stream and close what was opened. A later request opens it again."""
        if self.caretaker is not None:
            self.caretaker.stop()
        self.hub.stop()
        self._mcp.close()
        self.services.close()

    @property
    def base(self) -> str:
        """Path of the mounted blueprint as this request's client sees it, without the slash at its end."""
        return url_for(f"{request.blueprint}.page").rstrip("/")

    def _check(self) -> Answer | None:
        try:
            bounds.check(request)
        except Problem as problem:
            is_page = request.endpoint is not None and request.endpoint.rpartition(".")[2] in ("page", "deep", "trace")
            return secured(plain(problem) if is_page else problem_response(problem))
        return None

    # -- the API ------------------------------------------------------------------------------------------------

    def _add(self, route: Route) -> None:
        rule = f"/api/{route.path}"
        endpoint = f"api_{route.method.lower()}_{route.name}"
        self.add_url_rule(
            rule, endpoint, self._api_view(route), methods=[route.method], merge_slashes=False, strict_slashes=False
        )
        if route.stream:
            checked = transports.SocketRoute(self.add_url_rule, lambda values: self.open_stream(route, values))
            self._sock.route(rule, bp=checked, endpoint=f"ws_{route.name}", merge_slashes=False)(transports.talk)

    def _api_view(self, route: Route) -> Callable[..., Response]:
        def view(**values: object) -> Response:
            return self.guarded(lambda: self._respond(route, values))

        return view

    def _respond(self, route: Route, values: dict[str, Any]) -> Response:
        if route.stream:
            context, stream = invoke(route, request, self.services, self.base, values)
            return transports.as_sse(stream, context)
        context, result = invoke(route, request, self.services, self.base, values)
        self.address.note(request, context.actor, self.base)
        return answer(result, hides_tokens=not context.codec.shows_tokens)

    def open_stream(self, route: Route, values: dict[str, Any]) -> tuple[RequestContext, Stream] | Response:
        """Open the stream that the current request asks for as a websocket; a refusal is a plain HTTP answer."""
        opened: list[tuple[RequestContext, Stream]] = []

        def respond() -> Response:
            require_same_origin(request, self.services.settings.allowed_origins)
            context, stream = invoke(route, request, self.services, self.base, values)
            transports.reserve(context)
            opened.append((context, stream))
            return Response()

        refusal = self.guarded(respond)
        return opened[0] if opened else refusal

    def guarded(self, respond: Callable[[], Response]) -> Response:
        """Return the answer, or the problem that prevented it; never a page, never a stack trace."""
        try:
            response = respond()
        except Exception as error:
            problem = problem_of(error, self.services.outages)
            if problem is None:
                log.exception("%s %s failed", request.method, mask_text(request.path))
                problem = Problem("Internal error. The details are in the server log; please report it.")
            response = problem_response(problem)
        response.headers.setdefault("Content-Security-Policy", API_POLICY)
        return secured(response)

    def _no_such_route(self, rest: str = "") -> Response:
        """Answer what no route takes. CONTRIBUTING, Habits, says why this is no error handler of Flask's."""

        def respond() -> Response:
            allowed = sorted(self._map.bind("x").allowed_methods("/" + rest))
            if allowed and request.method not in allowed:
                refused = problem_response(
                    MethodNotAllowed(f"{request.method} is not possible here; {' and '.join(allowed)} are.")
                )
                refused.headers["Allow"] = ", ".join(allowed)
                return refused
            raise NotFound(f"There is no route {request.path[:200]!r}. See {self.base}/api/openapi.json.")

        return self.guarded(respond)

    def _openapi(self) -> Response:
        def respond() -> Response:
            admit(request, self.services, "viewer", writes=False)
            server = f"{self.base}/api"
            if self._document is None or self._document[0] != server:
                made = openapi.document(self.routes, version=service.package_version(), server=server)
                self._document = server, made  # it costs a tenth of a second, and every viewer may ask for it
            return answer(self._document[1])

        return self.guarded(respond)

    # -- the page -------------------------------------------------------------------------------------------------

    def _add_pages(self) -> None:
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        self.add_url_rule("/api/openapi.json", "openapi", self._openapi)
        self.add_url_rule("/api/", "api_root", self._no_such_route, methods=methods, strict_slashes=False)
        self.add_url_rule("/api/<path:rest>", "api_rest", self._no_such_route, methods=methods, merge_slashes=False)
        answer_agent = partial(self.guarded, lambda: self._mcp.answer(request))
        self.add_url_rule("/mcp", "mcp", answer_agent, methods=["GET", "POST", "DELETE"], strict_slashes=False)
        self.add_url_rule("/", "page", self._page)
        self.add_url_rule("/trace/<trace_id>", "trace", self._trace)
        self.add_url_rule("/<path:rest>", "deep", self._page, merge_slashes=False)

    def _page(self, rest: str = "") -> Answer:
        return self._for_people(lambda: self._page_or_file(rest))

    def _page_or_file(self, rest: str) -> Response:
        actor = authenticate(request, self.services.settings.auth)
        found = self.assets.serve(request, rest) if rest else None
        if found is not None:
            return found
        if rest.startswith("assets/"):
            raise NotFound(f"No file {rest[:200]!r} belongs to this version of the page. Reload the page.")
        streams = can_stream(request.environ, self.services.settings)
        return self.assets.index(service.config(self.services, actor, self.base, streams=streams))

    def _trace(self, trace_id: str) -> Answer:
        def respond() -> Response:
            actor = authenticate(request, self.services.settings.auth)
            run_id = traces.run_of_trace(seen_by(self.services, actor), trace_id)
            return Response(status=302, headers={"Location": f"{self.base}/runs/{quote(run_id, safe='')}"})

        return self._for_people(respond)

    def _for_people(self, respond: Callable[[], Response]) -> Answer:
        """Return a page, or a line of plain text that says why not."""
        try:
            response = respond()
        except LoginAnswer as login:
            return login.response
        except (Problem, BridgeError) as error:
            response = plain(problem_of(error, self.services.outages) or Problem(str(error)))
        response.headers.setdefault("Content-Security-Policy", page_policy(request))
        return secured(response)


def within(services: Services, who: AuthHook) -> DashboardBlueprint:
    """Return a dashboard over the same store, ledger and actions, for callers in this process whom ``who`` names.

    It has the settings of the other, learns no address from its callers, streams nothing, and runs no caretaker.
    """
    mine = Services(
        replace(
            services.settings,
            auth=who,
            public_url=None,
            allowed_hosts=frozenset({"callers.invalid"}),
            max_streams=0,  # a call in this process has no connection that a stream could last as long as
        ),
        open_store=lambda: services.store,
        open_ledger=lambda store: services.ledger,
        open_actions=lambda _: services.actions,
    )
    mine.acts, mine.outages = services.acts, services.outages
    return DashboardBlueprint(mine, routes=all_routes())
