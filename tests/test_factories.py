"""From a provider's name to the object, and what is said where there is none."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

import mem0.utils.factory
from mem0 import AsyncMemory, ConfigError, LLMError, Mem0Error, Memory, MissingDependencyError
from mem0.embeddings.base import EmbeddingBase
from mem0.embeddings.onnx import OnnxEmbeddingConfig
from mem0.llms.base import LLMBase
from mem0.rerankers.base import RerankerBase
from mem0.testing import DeterministicEmbedding
from mem0.utils.factory import EmbedderFactory, LlmFactory, RerankerFactory, VectorStoreFactory
from mem0.vector_stores.base import VectorStoreBase

FACTORIES = (LlmFactory, EmbedderFactory, RerankerFactory, VectorStoreFactory)
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    for factory in FACTORIES:
        monkeypatch.setattr(factory, "providers", dict(factory.providers))


# -- names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factory", "published", "name"),
    [
        (LlmFactory, "azure_openai_structured", "azure_openai"),
        (LlmFactory, "openai_structured", "openai"),
        (RerankerFactory, "llm_reranker", "llm"),
    ],
)
def test_published_names_of_the_same(factory: Any, published: str, name: str) -> None:
    assert factory.load(published) is factory.load(name)


@pytest.mark.parametrize(
    ("factory", "name", "told"),
    [
        (LlmFactory, "OPENAI", "did you mean 'openai'"),
        (LlmFactory, " ollama ", "did you mean 'ollama'"),
        (LlmFactory, "grok", "did you mean 'xai'"),
        (EmbedderFactory, "hugging_face", "did you mean 'huggingface'"),
        (VectorStoreFactory, "chroma", "leave vector_store out"),
        (VectorStoreFactory, "milvus", "there are: qdrant, sqlite; for another one, see 'Writing a provider'"),
        (VectorStoreFactory, "langchain", "there are: qdrant, sqlite"),
        (RerankerFactory, "huggingface", "provider 'sentence_transformer'"),
        (LlmFactory, 5, "expected a name, not int"),
    ],
)
def test_a_name_that_is_unknown(factory: Any, name: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=f"{factory.kind} provider {name!r}.*{re.escape(told)}"):
        factory.create(name)


def test_a_registered_class_is_used() -> None:
    EmbedderFactory.register("mine", "mem0.testing.DeterministicEmbedding")
    with Memory({"path": ":memory:", "embedder": {"provider": "mine"}}) as m:
        assert type(m.embedding_model) is DeterministicEmbedding


def test_a_registered_class_goes_before_one_of_ours() -> None:
    EmbedderFactory.register("huggingface", f"{__name__}.WithADict")
    config = {"huggingface_base_url": "http://127.0.0.1:1", "size": 2}  # where ours would ask a server
    assert type(EmbedderFactory.create("huggingface", config)) is WithADict
    del EmbedderFactory.providers["huggingface"]
    with pytest.raises(ConfigError, match="'huggingface' is unknown"):
        EmbedderFactory.create("huggingface", config)


def test_registering_imports_nothing() -> None:
    EmbedderFactory.register("mine", "no_such_package.module.Class")
    with pytest.raises(ConfigError, match="no module 'no_such_package'"):
        EmbedderFactory.create("mine")


@pytest.mark.parametrize("path", ["Class", "", ".Class", DeterministicEmbedding, None])
def test_what_is_no_path_is_not_registered(path: Any) -> None:
    with pytest.raises(ConfigError, match=r"register\('mine', .*expected a dotted path such as 'package.module.Class'"):
        EmbedderFactory.register("mine", path)
    assert "mine" not in EmbedderFactory.names()


@pytest.mark.parametrize("name", [5, None, ""])
def test_what_is_no_name_is_not_registered(name: Any) -> None:
    with pytest.raises(ConfigError, match=r"register\(.*expected a name"):
        EmbedderFactory.register(name, "mem0.testing.DeterministicEmbedding")


def test_a_path_to_what_is_no_class() -> None:
    EmbedderFactory.register("mine", "mem0.testing.NoSuchClass")
    with pytest.raises(ConfigError, match=r"'mine'.*NoSuchClass"):
        EmbedderFactory.create("mine")
    EmbedderFactory.register("mine", "mem0.testing.__all__")
    with pytest.raises(ConfigError, match=r"'mine': expected a class at 'mem0.testing.__all__', not list"):
        EmbedderFactory.create("mine")


# -- entry points -------------------------------------------------------------------------------------

CLASS = (
    "class Theirs:\n"
    "    dims = 2\n"
    "    def __init__(self, config): self.config = config\n"
    "    def embed(self, text): return [1.0, self.config['n']]\n"
)


class Installed:
    """Packages that look as if they were installed, each with one module and one embedder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def package(self, name: str, entry: str, module: str = CLASS) -> None:
        info = self.folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[mem0.embedders]\n{entry}\n")
        (self.folder / f"{name}_module.py").write_text(module)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    monkeypatch.syspath_prepend(tmp_path)
    yield Installed(tmp_path)
    for name in [name for name in sys.modules if name.endswith("_module")]:
        del sys.modules[name]


def test_an_entry_point_is_found_without_importing_it(installed: Installed) -> None:
    installed.package("theirs", "theirs = theirs_module:Theirs")
    assert EmbedderFactory.names() == sorted([*EmbedderFactory.providers, "theirs"])
    assert "theirs_module" not in sys.modules
    made = EmbedderFactory.create("theirs", {"n": 3.0})
    assert made.embed("x") == [1.0, 3.0]
    with pytest.raises(ConfigError, match="did you mean 'theirs'"):
        EmbedderFactory.create("their")


def test_a_name_of_the_library_stays_the_librarys(installed: Installed) -> None:
    installed.package("theirs", "onnx = theirs_module:Theirs")
    assert EmbedderFactory.load("onnx").__module__ == "mem0.embeddings.onnx"


def test_two_packages_with_one_name(installed: Installed) -> None:
    installed.package("one", "same = one_module:Theirs")
    installed.package("two", "same = two_module:Theirs")
    with pytest.raises(ConfigError, match="'same' is in more than one .*'one' .one_module:Theirs., 'two'"):
        EmbedderFactory.load("same")
    EmbedderFactory.register("same", "two_module.Theirs")
    assert EmbedderFactory.load("same").__module__ == "two_module"


@pytest.mark.parametrize(
    ("entry", "module", "told"),
    [
        ("theirs_module", CLASS, "the entry point of 'theirs' is 'theirs_module'; it has to name a class"),
        ("theirs-module:Theirs", CLASS, "there is no module 'theirs-module'"),
        ("theirs_module:Ours", CLASS, "has no attribute 'Ours'; its path is 'theirs_module.Ours'"),
        ("theirs_module:Theirs", "import theirs_module.more", "there is no module 'theirs_module.more'"),
        ("theirs_module:Theirs", "class Theirs(:", "cannot be imported: SyntaxError"),
        ("theirs_module:Theirs", "raise RuntimeError('no GPU')", "cannot be imported: RuntimeError: no GPU; its path"),
        ("theirs_module:Theirs", "None.Theirs", "cannot be imported: AttributeError"),
    ],
)
def test_an_entry_point_that_leads_nowhere(installed: Installed, entry: str, module: str, told: str) -> None:
    installed.package("theirs", f"theirs = {entry}", module)
    with pytest.raises(ConfigError, match=f"embedder provider 'theirs'.*{re.escape(told)}"):
        EmbedderFactory.create("theirs")


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("import no_such_sdk.part", "needs 'no_such_sdk': the package that has this module is not installed"),
        ("import groq.no_such_part", "needs 'groq.*': pip install 'groq>="),
        ("raise ImportError('this needs CUDA')", "cannot be imported: ImportError: this needs CUDA"),
        ("from mem0.types import NoSuchType", "cannot be imported: ImportError: cannot import name 'NoSuchType'"),
        ("from openai import NoSuchClient", "needs another version of 'openai' .*: pip install 'openai>="),
    ],
)
def test_an_entry_point_whose_module_lacks_something(installed: Installed, module: str, told: str) -> None:
    installed.package("theirs", "theirs = theirs_module:Theirs", module)
    with pytest.raises(MissingDependencyError, match=f"embedder provider 'theirs' {told}"):
        EmbedderFactory.create("theirs")


# -- objects ------------------------------------------------------------------------------------------


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = 2


class WithOptions(EmbeddingBase):
    options = Options

    def __init__(self, config: Options) -> None:
        self.dims = config.size

    def embed(self, text: str) -> list[float]:
        return [1.0] * (self.dims or 1)


class WithoutOptions(EmbeddingBase):
    def __init__(self) -> None: ...

    def embed(self, text: str) -> list[float]:
        return [1.0]


class WithADict(WithoutOptions):
    def __init__(self, config: dict[str, Any]) -> None:
        self.dims = config["size"]


class Awaited(EmbeddingBase):
    async def embed(self, text: str) -> list[float]:  # type: ignore[override]
        return [1.0]


class LacksEmbed(EmbeddingBase): ...


class LacksGenerateResponse(LLMBase): ...


class LacksScore(RerankerBase): ...


class LacksSearch(VectorStoreBase): ...


class Nothing: ...


class SaysWhy(Nothing):
    def __init__(self) -> None:
        raise LLMError("SaysWhy: the server is asleep", retryable=True)


def named(kind: str, made: type, config: Any = None) -> dict[str, Any]:
    """Return a configuration whose part of this kind is a class of this file."""
    factory = {factory.kind: factory for factory in FACTORIES}[kind]
    factory.register("mine", f"{__name__}.{made.__name__}")
    parts = {"embedder": {"provider": "onnx"}, kind: {"provider": "mine", "config": config}}
    return {"path": ":memory:", **parts}


@pytest.mark.parametrize("config", [None, {}, {"max_tokens": 128}, OnnxEmbeddingConfig(max_tokens=128)])
def test_options_come_as_a_dict_an_object_or_not_at_all(config: Any) -> None:
    assert EmbedderFactory.create("onnx", config).dims == 384


@pytest.mark.parametrize("config", [None, {}, {"size": 2}])
def test_a_class_with_options_is_given_an_object_of_them(config: Any) -> None:
    with Memory(named("embedder", WithOptions, config)) as m:
        assert m.embedding_model.dims == 2


@pytest.mark.parametrize("memory", [Memory, AsyncMemory])
@pytest.mark.parametrize(
    ("kind", "made", "config", "told"),
    [
        ("embedder", WithOptions, {"sise": 3}, r"'mine' config\['sise'\]: unknown key; did you mean 'size'"),
        ("embedder", WithoutOptions, {"size": 2}, "'mine' takes no options: leave its config out"),
        ("embedder", WithADict, None, "'mine' needs options: give them in its config"),
        ("embedder", WithADict, {"sise": 2}, "'mine' cannot be made: KeyError: 'size'"),
        ("embedder", LacksEmbed, None, "'mine' cannot be made: TypeError: .*abstract.*embed"),
        ("embedder", Awaited, None, "embedder=<Awaited>: .*does not block; call it aembed"),
        ("embedder", Nothing, None, r"embedder=<Nothing>: expected an object with embed\(text\)"),
        ("llm", LacksGenerateResponse, None, "'mine' cannot be made: TypeError: .*abstract.*generate_response"),
        ("llm", Nothing, None, r"llm=<Nothing>: expected an object with generate_response\(messages\)"),
        ("reranker", LacksScore, None, "'mine' cannot be made: TypeError: .*abstract.*score"),
        ("reranker", Nothing, None, r"reranker=<Nothing>: expected an object with score\(query, texts\)"),
        ("vector_store", LacksSearch, None, "'mine' cannot be made: TypeError: .*abstract.*search"),
        ("vector_store", Nothing, None, "vector_store=<Nothing>: expected a VectorStoreBase, subclass it"),
        ("vector_store", Nothing, {"host": "x"}, "'mine' takes no options: leave its config out"),
    ],
)
def test_a_class_that_cannot_do_its_work(memory: Any, kind: str, made: type, config: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        memory(named(kind, made, config))


def test_an_error_of_ours_stays_as_it_is() -> None:
    with pytest.raises(LLMError, match="^SaysWhy: the server is asleep$") as caught:
        Memory(named("llm", SaysWhy))
    assert isinstance(caught.value, Mem0Error)
    assert caught.value.retryable


# -- what is missing ----------------------------------------------------------------------------------


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "mem0.embeddings.onnx", raising=False)
    with pytest.raises(
        MissingDependencyError, match="'onnx' needs 'onnxruntime': pip install 'onnxruntime>="
    ) as caught:
        Memory(path=":memory:")
    assert isinstance(caught.value, ImportError)


def test_the_remedies_are_what_the_package_asks_for() -> None:
    lines = [line.partition("#")[0] for line in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()]
    wanted = [name for line in lines for name in re.findall(r"""["']([^"';]+)["';]""", line)]
    assert {*mem0.utils.factory._INSTALL.values()} <= {*wanted}
