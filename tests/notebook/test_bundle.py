"""ES modules put together into one; that a browser takes it is what every test of the card in a browser shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nbserve.notebook import card as card_module
from nbserve.notebook.bundle import module_of, modules_of, styles_of, styles_within

ENTRY = Path(card_module.__file__).parent / "card" / "card.js"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Three modules, of which two have a name in common that neither shares."""
    (tmp_path / "one.js").write_text("const own = 1;\n\nexport const one = own;\nexport function f() {}\n")
    (tmp_path / "two.js").write_text(
        'import { one as first } from "./one.js";\n\nconst own = 2;\nexport const two = first + own;\n'
    )
    (tmp_path / "all.js").write_text(
        'import {\n  f,\n  one,\n} from "./one.js";\nimport { two } from "./two.js";\n\n'
        "export default { one, two, f };\n"
    )
    (tmp_path / "one.css").write_text("one {}\n")
    (tmp_path / "all.css").write_text("all {}\n")
    return tmp_path / "all.js"


def test_each_module_comes_once_and_behind_those_that_it_imports(written: Path) -> None:
    assert [path.name for path in modules_of(written)] == ["one.js", "two.js", "all.js"]


def test_imports_become_what_the_modules_before_share(written: Path) -> None:
    code = module_of(written)
    assert "const { one: first } = module0;" in code
    assert "return { one, f };" in code
    assert "const { two } = module1;" in code
    assert code.endswith("export default { one, two, f };\n")
    assert re.findall(r"^(?:import|export) .*", code, re.MULTILINE) == ["export default { one, two, f };"]


def test_styles_are_those_beside_the_modules_in_their_order(written: Path) -> None:
    assert styles_of(written) == "one {}\n\nall {}\n"


def test_sections_of_a_style_sheet_hold_within_a_selector(tmp_path: Path) -> None:
    sheet = tmp_path / "page.css"
    sheet.write_text("/* All */\nhtml {}\n\n/* Form */\ninput {}\n\n/* Answer */\np {}\n")
    assert styles_within(".in", sheet, ("Form", "Answer")) == ".in {\ninput {}\n\np {}\n}\n"
    with pytest.raises(KeyError, match="Gone"):
        styles_within(".in", sheet, ("Gone",))


def test_a_circle_is_refused(written: Path) -> None:
    (written.parent / "one.js").write_text('import { two } from "./two.js";\n')
    with pytest.raises(ValueError, match=r"one\.js imports itself, by way of two\.js"):
        module_of(written)


def test_the_cards_script_has_all_that_it_imports_and_imports_nothing() -> None:
    shared = {path: set(_exported(path)) for path in modules_of(ENTRY)}
    for path in shared:
        for names, address in re.findall(r'^import \{([^}]*)\} from "([^"]+)";$', path.read_text(), re.MULTILINE):
            wanted = {each.split(" as ")[0].strip() for each in names.split(",")} - {""}
            assert wanted <= shared[(path.parent / address).resolve()], path.name
    assert re.findall(r"^(?:import\b|export\b).*", module_of(ENTRY), re.MULTILINE) == ["export default { render };"]


def test_the_card_takes_nothing_of_the_pages_that_reads_a_token_from_the_address() -> None:
    """In a notebook that would be the Jupyter server's own."""
    assert "wire.js" not in {path.name for path in modules_of(ENTRY)}
    assert "location.search" not in module_of(ENTRY)


def test_every_script_and_style_of_the_card_is_in_it() -> None:
    used = {path.stem for path in modules_of(ENTRY)}
    assert {path.stem for path in ENTRY.parent.iterdir()} - {"types"} <= used


def _exported(path: Path) -> list[str]:
    return re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", path.read_text(), re.MULTILINE)
