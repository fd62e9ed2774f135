"""All that one kernel serves."""

from __future__ import annotations

import contextlib
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..configuration import is_configuration, read_configuration
from ..core.calls import Coroutines
from ..core.component import Component
from ..core.custom import DrivenSource
from ..core.engines import CoroutineThread, release_threads
from ..core.lifecycle import State
from ..core.output import Log, catch_prints, release_prints, write_to
from ..core.registry import Registry
from ..core.schema import Profile
from ..core.served import Served
from ..errors import Conflict, ModelRefused, NbserveError, OptionError
from ..options import Options, environment_options
from ..settings import CONFIG, ENVIRONMENT, GIVEN, Layer, Settings
from ..version import __version__
from .announcing import announce_endpoint, kernel_id, withdraw_endpoint
from .cards import Cards, entry_of
from .configured import Configured
from .credentials import Credentials
from .forgotten import Forgotten
from .hosting import Hosting
from .household import Household
from .inquiry import asked
from .kernel_loop import KernelLoop
from .links import Links
from .offer import Offer, Told, look_again, look_of, offer_of
from .wording import advice_on_mask

if TYPE_CHECKING:
    from ..web.address import Address
    from ..web.application import Application
    from ..web.certificate import Certificate
    from ..web.server import Server

__all__ = ["Session"]


class Session:
    """All that one kernel serves: the registry, the tokens, the server, the cards. Thread-safe.

    Without `has_server` somebody else serves its `app`, of which `about` says title, version and description.
    `namespace` are the user's variables; with `is_watched` somebody calls `after_execution` after all code that may
    have changed them, so that a model can be left to the notebook while it is unloaded.
    """

    def __init__(
        self,
        namespace: MutableMapping[str, Any],
        shell: Any = None,
        *,
        is_watched: bool = False,
        has_widgets: bool = False,
        has_server: bool = True,
        about: Mapping[str, str] | None = None,
        session_token: str | None = None,
        settings: Callable[[], Mapping[str, Any]] = dict,
        server_options: Mapping[str, Any] | None = None,
        advise: Callable[[str], object] | None = None,
    ) -> None:
        from ..web.access import Access
        from ..web.resources import ResourceRoutes

        self.registry = Registry()
        self.access = Access(session_token)
        self.log = Log()
        self.cells_ended = 0
        self._namespace = namespace
        self._household = Household(self.registry, namespace, shell, is_watched=is_watched, changed=self.changed)
        self._resources = ResourceRoutes()
        self._settings = settings
        self._about = dict(about or {"version": __version__})
        self._server_options = dict(server_options or {})
        self._is_watched = is_watched
        self._tell_owner = advise
        self._credentials = Credentials(self.access)
        self._links = Links(self.registry, self._resources, self.access.meters)
        self._told: dict[str, Told] = {}
        self._prepared: weakref.WeakSet[Served] = weakref.WeakSet()
        self._cards = Cards(self.snapshot, self.obey, self.ask, can_show=has_widgets)
        self._app: Application | None = None
        self.hosting = Hosting(self.registry, self._start_server if has_server else None)
        self._kernel_loop = KernelLoop.running()
        self._lock = threading.RLock()

    def serve(self, model: object, given: Mapping[str, Any], below: Iterable[Layer] = ()) -> str:
        """Serve `model`, or swap it in where its name is served; answers the name.

        `below` is what a file says beside what was given. A file of settings is served as what it describes. Raises
        `NbserveError`s, and changes nothing then.
        """
        if is_configuration(model):
            plan = read_configuration(cast("str", model)).one(given.get("name"))
            return self.serve(plan.address, given, (plan.layer, *below))
        settings = self.settled(Layer(GIVEN, given), *below)
        return self.place(self.offer(model, settings.options), settings)

    def serve_all(self, path: str, given: Mapping[str, Any]) -> list[str]:
        """Serve every endpoint that a file describes; answers their names.

        Raises `NbserveError`s, and serves none where one is wrong.
        """
        offers = []
        for plan in read_configuration(path).plans:
            settings = self.settled(Layer(GIVEN, given), plan.layer)
            offers.append((self.offer(plan.address, settings.options), settings))
        return [self.place(*each) for each in offers]

    def serve_new(self, model: object, given: Mapping[str, Any], below: Iterable[Layer] = ()) -> str:
        """Serve `model` under a name that nothing is served under yet. Raises `Conflict` too."""
        name = self.settled(Layer(GIVEN, given), *below).options.wanted_name
        if name is not None and name in self.registry:
            raise Conflict(f"Something is served at /{name} already.", "Give this one a path of its own.")
        return self.serve(model, given, below)

    def settled(self, *own: Layer) -> Settings:
        """What an endpoint is told by these layers, and by those of all endpoints. Raises `OptionError`."""
        return Settings.of(*own, *self._shared())

    def offer(self, model: object, options: Options) -> Offer:
        """What can be served of `model`. Raises `ModelRefused`, and `LoadError` for a file that is none."""
        if isinstance(model, Configured):
            raise ModelRefused(f"{model.name} is an endpoint already.", "Serve the model itself.")
        if isinstance(model, Forgotten):
            model = model.restore()
        return offer_of(model, options, self._namespace, self._household.source_of)

    @property
    def look(self) -> Callable[[Any], Profile]:
        """What looks at a model."""
        return look_of(self._namespace)

    def prepare(self, offer: Offer, settings: Settings) -> Served:
        """What can be asked in this process, and is not served yet."""
        name = settings.options.wanted_name or offer.name
        catch_prints()
        served = self._made(name, offer, settings.options, self._coroutines(name, settings.options, None), None)
        self._prepared.add(served)
        return served

    def place(self, offer: Offer, settings: Settings) -> str:
        """Serve what was offered; answers the name. Raises `NbserveError`s, and changes nothing then."""
        options = settings.options
        name = options.wanted_name or offer.name
        with self._lock:
            before = self.registry.get(name)
            if options.wanted_name is None:
                self._check_is_swap(name, before, offer)
            if before is None:
                self._check_free(name)
            profile = self._put(name, offer, settings, before).profile
        if before is not None:
            self._retire(before)
        for advice in filter(None, (offer.advice, advice_on_mask(options.mask, profile))):
            self._advise(advice)
        return name

    def _put(self, name: str, offer: Offer, settings: Settings, before: Served | None) -> Served:
        coroutines = self._coroutines(name, settings.options, before)
        self.hosting.ensure(settings.options)
        served = self._made(name, offer, settings.options, coroutines, before)
        self._announce(served, offer.resource)
        self._told[name] = Told(offer, settings)
        return served

    def _made(self, name: str, offer: Offer, options: Options, coroutines: Coroutines, before: Served | None) -> Served:
        served = Served(
            name,
            offer.component,
            offer.profile,
            options,
            coroutines=coroutines,
            around=self._household,
            look=offer.look,
            is_seen=offer.is_seen,
            title=offer.title,
            origin=offer.origin,
            replaced=offer.replaced,
            before=before,
            lane=offer.component.peek(lambda model: self._household.lane_of(model, options)),
        )
        served.component.load_deadline_s = options.load_deadline_s
        return served

    def add_docs_at(self, path: str) -> None:
        """A second address of the documentation."""
        from fastapi.responses import RedirectResponse

        last = f"/{path.strip('/')}"
        for each in (last, f"{last}/"):
            self.app.add_api_route(each, lambda: RedirectResponse("/docs"), include_in_schema=False)

    def unserve(self, name: str) -> None:
        """Raises `NotFound`."""
        with self._lock:
            served = self.registry.remove(name)
            self._credentials.withdraw(name)
            self._told.pop(name, None)
            self._resources.remove(name)
        self.access.meters.write()  # before another kernel of the notebook takes its links along
        withdraw_endpoint(name)
        served.tickets.close()
        self._retire(served)
        self.changed()

    def stop_all(self) -> None:
        """Stop every endpoint, and the server."""
        for served in self.registry:
            self.unserve(served.name)
        with self._lock:
            self.hosting.stop()
        release_threads()

    def close(self) -> None:
        """Stop and remove everything this session brought."""
        self.stop_all()
        self._cards.close()
        self._household.close()
        self.access.meters.close()
        release_prints()

    @property
    def app(self) -> Application:
        """The FastAPI application; routes that are added to it are served at once."""
        if self._app is None:
            from ..web.app import create_app

            self._app = create_app(
                self.registry, self.log, self._resources, stop=self.unserve, links=self, **self._about
            )
        return self._app

    @property
    def url(self) -> str:
        """Where the server listens, with the last slash; empty when it does not."""
        return self.hosting.url

    def url_of(self, name: str) -> str:
        """Where the endpoint answers, with the last slash; empty when it does not."""
        return f"{self.url}{name}/" if name in self.registry else ""

    def token(self, name: str) -> str | None:
        """The endpoint's own token; None when it needs none."""
        return self._credentials.token(name)

    def share(self, name: str, origin: str = "", /, **given: Any) -> dict[str, Any]:
        """A new link to the endpoint, for people without an account here. Raises what `Links.share` does."""
        return self._links.share(name, origin, **given)

    def shares(self, name: str | None = None) -> list[dict[str, Any]]:
        return self._links.shares(name)

    def revoke(self, share_id: str, name: str | None = None) -> list[dict[str, Any]]:
        """The link of that id, or all links of the endpoint of that name, open nothing more. Raises `NotFound`."""
        return self._links.revoke(share_id, name)

    def set_budget(self) -> None:
        """The default budget of the session has changed."""
        budget = self.settled().options.budget
        self._household.upkeep.budget_bytes = budget or None
        self._household.upkeep.make_room()
        self.changed()

    def before_execution(self, *_: object) -> None:
        """Code of the user's is going to run."""
        self._cards.is_busy = True

    def after_execution(self, *_: object) -> None:
        """Code of the user's has run, be it a cell, a widget's callback or a front end's question."""
        self._cards.is_busy = False
        for source in self._household.live_objects(self._prepared):
            source.settle()

    def after_cell(self, *_: object) -> None:
        self.cells_ended += 1

    def settings(self, name: str) -> Settings:
        """What the endpoint was told, and what is to be in force with the next `refresh`. Raises `NotFound`."""
        return self._told[self.registry[name].name].wanted

    def address(self, name: str) -> str | None:
        """Where the endpoint's model is kept, if it is. Raises `NotFound`."""
        return self._told[self.registry[name].name].offer.address

    def tell(self, name: str, option: str, value: Any) -> None:
        """Set an option of the endpoint, for the next `refresh`. Raises `NotFound`, `OptionError`."""
        with self._lock:
            told = self._told[self.registry[name].name]
            if option in ("name", "path"):
                raise OptionError(f"{name} is where it is called: a served endpoint keeps its name.", "Serve it anew.")
            told.wanted = told.wanted.changed(option, value)

    def refresh(self, name: str) -> None:
        """Take over changed options, and analyse the endpoint's model again; nothing is loaded.

        Requests go on meanwhile. Raises `NotFound`, `OptionError` (changing nothing), and what `analyse` raises.
        """
        served = self._retold(name)
        look_again(served, self.look)
        self.changed()

    def _retold(self, name: str) -> Served:
        """The endpoint with the options that it was told; another one if they have changed."""
        with self._lock:
            before, told = self.registry[name], self._told[name]
            if told.wanted is told.settings:
                return before
            wanted, told.wanted = told.wanted.over(self._shared()), told.settings
            offer = told.offer.again(before, wanted.options)
            served = self._put(name, offer, wanted, before)
            served.version, served.served_at = before.version, before.served_at
        self._retire(before)
        return served

    def changed(self) -> None:
        """Let the cards show it at once."""
        self._cards.wake()

    def snapshot(self, name: str | None = None) -> dict[str, Any]:
        """What a card shows: one endpoint, or (None) all of them."""
        shown = list(self.registry) if name is None else [each for each in self.registry if each.name == name]
        elsewhere, trusted = self.hosting.urls_elsewhere, self.hosting.own_certificate
        entries = [
            entry_of(each, self.url_of(each.name), self.token(each.name), elsewhere=elsewhere, trusted=trusted)
            for each in shown
        ]
        is_gone = name is not None and not entries
        return {"endpoints": entries, "dashboard": name is None, "gone": is_gone, "kernel_id": kernel_id()}

    def obey(self, order: str, name: str) -> str:
        """Carry out what a card's button says; answers a sentence."""
        served = self.registry[name]
        if order == "load":
            served.load()
            return "Loaded."
        if order in ("unload", "forget"):
            return served.unload(forget=order == "forget").sentence()
        if order == "stop":
            self.unserve(name)
            return "Stopped."
        raise OptionError(f"There is no order {order!r}.")

    def traffic(self, name: str) -> dict[str, Any]:
        """The endpoint's newest requests: what ``GET /{name}/traffic/`` answers. Raises `NotFound`."""
        return self.registry[name].captured()

    def exchange(self, name: str, ident: str) -> dict[str, Any]:
        """One of them with what was asked and answered. Raises `NotFound`."""
        return self.registry[name].exchange(ident)

    def ask(self, name: str, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
        """What the endpoint's own route below its name answers to its owner: status and JSON.

        Raises `NotFound`, `OptionError` for what is no such route, OSError.
        """
        return asked(self.url_of(name), self._credentials.key(name), verb, path, body)

    def text(self, name: str) -> str:
        from .still import as_text

        return as_text(self.snapshot(name))

    def show(self, name: str | None) -> bool:
        """Display the card of one endpoint, or the dashboard; False where cards cannot be shown."""
        return self._cards.show(name)

    def _check_free(self, name: str) -> None:
        if name in self.app.first_parts:
            raise Conflict(f"A route of your own begins with /{name}.", "Serve it under another name: --name NAME.")

    def _start_server(self, address: Address, port: int | None, certificate: Certificate | None) -> Server:
        from ..web.door import Door
        from ..web.line import Line
        from ..web.server import Server

        door = Door(self.app, self.access)
        return Server(
            door,
            address.number,
            port,
            tls=None if certificate is None else certificate.context,
            # the Jupyter server, which asks as the owner, speaks to this machine alone, and without TLS
            has_side_door=certificate is not None or not (address.is_local or address.is_any),
            line=partial(Line, door=door),
            enter=partial(write_to, self.log),
            **self._server_options,
        )

    def _announce(self, served: Served, resource: Any) -> None:
        name = served.name
        key = self._credentials.settle(name, needs_token=served.options.token)
        catch_prints()
        if resource is None:
            self._resources.remove(name)
        else:
            self._resources.put(name, resource)
        self.registry.put(served)
        self._keep_house(served)
        announce_endpoint(name, f"{self.hosting.side_url}{name}/", key)
        self._links.adopt(name)
        self.changed()

    def _keep_house(self, served: Served) -> None:
        """What it brings along counts: a budget of its own, its weight, its idle time."""
        if served.options.budget is not None:
            self._household.upkeep.budget_bytes = served.options.budget or None
        self._household.upkeep.make_room(served.component)
        self._household.upkeep.wake()

    def _coroutines(self, name: str, options: Options, before: Served | None) -> Coroutines:
        if before is not None and before.options.loop == options.loop:
            return before.coroutines
        if options.loop == "own":
            return CoroutineThread(f"nbserve:{name}:async")
        if self._kernel_loop is None:
            self._kernel_loop = KernelLoop.running()
        if self._kernel_loop is None:
            raise KernelLoop.missing()
        return self._kernel_loop

    def _retire(self, served: Served) -> None:
        """It is no longer served under its name: what only it has loaded goes, or is kept for the others."""
        served.retire(self.registry)
        component = served.component
        is_shared = any(each.component.source is component.source for each in self.registry)
        if is_shared and any(each.component is component for each in self.registry):
            return
        if is_shared or isinstance(component.source, DrivenSource):
            threading.Thread(target=_let_go, args=(component,), name="nbserve:retire", daemon=True).start()

    def _check_is_swap(self, name: str, before: Served | None, offer: Offer) -> None:
        if before is not None and before.origin != offer.origin:
            raise Conflict(
                f"{name} is the name of another endpoint, of {before.component.source.label}.",
                f"Give this one a name of its own: --name NAME. To put it in the other's place: --name {name}.",
            )

    def _shared(self) -> tuple[Layer, ...]:
        """The defaults of all endpoints: what ``%config`` says, else the environment."""
        config, environment = Layer(CONFIG, self._settings(), True), Layer(ENVIRONMENT, environment_options(), True)
        return config, environment

    def _advise(self, sentence: str) -> None:
        if self._tell_owner is not None:
            self._tell_owner(sentence)
        elif self._is_watched:
            print(sentence, file=sys.stderr)  # noqa: T201 - one line for the one who has just typed the path
        else:
            warnings.warn(sentence, stacklevel=4)


def _let_go(component: Component[Any]) -> None:
    """Unload it for good: the calls in flight may take it back, and nobody asks for it after them."""
    with contextlib.suppress(NbserveError):
        while not component.has_listeners and component.unload() in (State.LOADED, State.LOADING):
            pass
