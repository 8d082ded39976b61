"""Pages tell the browser where the app lies; all else passes through as it is."""

import ast

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from pages.frame.base_address import PAGES, BaseAddress
from tests.helpers.places import ROOT


def client() -> TestClient:
    routes = [
        Route("/train", lambda request: HTMLResponse("<html><head></head><p>Größe</p></html>")),
        Route("/data", lambda request: JSONResponse({"html": "<head>"})),
    ]
    middleware = [Middleware(BaseAddress, pages=PAGES)]
    return TestClient(Starlette(routes=routes, middleware=middleware))


def test_a_page_names_the_address_of_the_app() -> None:
    answer = client().get("/train", headers={"accept": "text/html", "accept-encoding": "gzip"})
    assert answer.text.count("BACKEND_BASE_URL") == 1
    assert answer.text.endswith("</script></head><p>Größe</p></html>")
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_what_is_no_page_stays_as_it_is() -> None:
    assert client().get("/data").json() == {"html": "<head>"}


def test_all_pages_are_known() -> None:
    tree = ast.parse((ROOT / "pages" / "frame" / "frame.py").read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert {f"pages/{page}.py" for page in PAGES} <= texts
    assert len(PAGES) == len([path for path in (ROOT / "pages").glob("*.py")]) - 1
