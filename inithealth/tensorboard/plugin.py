"""The plugin behind TensorBoard's tab "Init Health": it serves the page and the recorded runs.

TensorBoard imports this module at every start, also for users who have no run of ours. It imports neither torch nor
pydantic, and an error here is shown in the tab instead of ending TensorBoard.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tensorboard.plugins import base_plugin

from inithealth.tensorboard.tab_tags import PLUGIN

if TYPE_CHECKING:
    from inithealth.tensorboard.tab_data import TabData

_JSON, _SCRIPT = "application/json", "text/javascript"
_NO_PAGE = 'export function render() { document.body.textContent = "The page is not built: see frontend/."; }'
_FAILED = "The data could not be read: {}. TensorBoard's log has the details."


class Loader(base_plugin.TBLoader):  # type: ignore[misc]
    """Creates the plugin."""

    def fix_flags(self, flags: Any) -> None:
        """Keep all steps: TensorBoard would keep ten of a plugin that it does not know."""
        samples = getattr(flags, "samples_per_plugin", None)
        if isinstance(samples, dict):
            samples.setdefault(PLUGIN, 0)

    def load(self, context: Any) -> Plugin | None:
        """Return the plugin; None if TensorBoard has no data provider."""
        return None if getattr(context, "data_provider", None) is None else Plugin(context)


class Plugin(base_plugin.TBPlugin):  # type: ignore[misc]
    """Serves `index.js`, the list of runs and the document of each run.

    Args:
        context: of TensorBoard.
    """

    plugin_name = PLUGIN

    def __init__(self, context: Any) -> None:
        self._provider = context.data_provider

    def get_plugin_apps(self) -> dict[str, Any]:
        """Return the handler of each path."""
        from werkzeug import wrappers

        return {
            path: wrappers.Request.application(handler)
            for path, handler in (("/index.js", self._script), ("/runs", self._runs), ("/run", self._run))
        }

    def is_active(self) -> bool:
        """Return False: TensorBoard asks for the plugins that have data with `data_plugin_names`."""
        return False

    def data_plugin_names(self) -> tuple[str, ...]:
        """Return the plugin whose data makes the tab appear."""
        return (PLUGIN,)

    def frontend_metadata(self) -> Any:
        """Return the address of the page, and the title of the tab."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Init Health")

    def _script(self, request: Any) -> Any:
        from pathlib import Path

        try:
            script = (Path(__file__).parent / "page" / "index.js").read_text("utf-8")
        except OSError:
            script = _NO_PAGE
        return _answer(request, script, _SCRIPT)

    def _runs(self, request: Any) -> Any:
        return self._answered(request, lambda data: data.runs(), {"runs": []})

    def _run(self, request: Any) -> Any:
        name, start = request.args.get("run", ""), request.args.get("from", 0, type=int)
        return self._answered(request, lambda data: data.run(name, start), {})

    def _answered(self, request: Any, read: Any, empty: dict[str, Any]) -> Any:
        from inithealth.page.document import to_json

        try:
            text = to_json(read(self._data(request)))
        except Exception as error:  # a file that cannot be read must be a sentence in the tab
            logging.getLogger("tensorboard").warning("inithealth: the data could not be read", exc_info=True)
            text = to_json({**empty, "message": _FAILED.format(type(error).__name__)})
        return _answer(request, text, _JSON)

    def _data(self, request: Any) -> TabData:
        from tensorboard import plugin_util

        from inithealth.tensorboard.tab_data import TabData

        environ = request.environ
        return TabData(self._provider, plugin_util.context(environ), plugin_util.experiment_id(environ))


def _answer(request: Any, text: str, content_type: str) -> Any:
    from tensorboard.backend import http_util

    return http_util.Respond(request, text, content_type)
