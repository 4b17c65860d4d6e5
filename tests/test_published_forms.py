"""Configurations, classes and calls as they were published, and as code in the wild has them."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from openai_server import KEY, OpenAIServer

from mem0 import ConfigError, Memory
from mem0.configs.base import EmbedderConfig, LlmConfig, MemoryConfig, VectorStoreConfig
from mem0.configs.embeddings.base import BaseEmbedderConfig
from mem0.configs.llms.base import BaseLlmConfig
from mem0.embeddings.base import EmbeddingBase
from mem0.embeddings.openai import OpenAIEmbedding
from mem0.llms.base import LLMBase
from mem0.llms.openai import OpenAILLM
from mem0.utils.factory import EmbedderFactory, LlmFactory

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

HELLO = [{"role": "user", "content": "Hello"}]


class OnesEmbedding(EmbeddingBase):
    """An embedder as they are written elsewhere: nothing of the library's own, a config with attributes."""

    def __init__(self, config: BaseEmbedderConfig | None = None) -> None:
        super().__init__(config)
        self.size = self.config.embedding_dims

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        return [1.0] * self.size


class OneAnswer(LLMBase):
    def generate_response(self, messages: Any, *_: Any, **__: Any) -> str:
        return f'{{"memory": ["{self.config.api_key} of {self.config.model}"]}}'  # type: ignore[attr-defined]


class PlainConfig:
    """Options as they are written elsewhere, too: no model of pydantic's."""

    def __init__(self, model: str = "", answer: str = "") -> None:
        self.model, self.answer = model, answer


class OneAnswerConfig(BaseLlmConfig):
    """Options as they are written elsewhere: attributes that an ``__init__`` sets."""

    def __init__(self, model: str | None = None, answer: str = "", **more: Any) -> None:
        super().__init__(model=model, **more)
        self.answer = answer


# -- classes ----------------------------------------------------------------------------------------


def test_parts_are_named_by_classes(openai_server: OpenAIServer) -> None:
    from mem0.embeddings import configs as of_embedders
    from mem0.llms import configs as of_llms
    from mem0.vector_stores import configs as of_stores

    assert of_llms.LlmConfig is LlmConfig
    assert of_embedders.EmbedderConfig is EmbedderConfig
    assert of_stores.VectorStoreConfig is VectorStoreConfig
    options = {"api_key": KEY, "openai_base_url": openai_server.url}
    config = MemoryConfig(
        llm=LlmConfig(provider="openai", config={"model": "gpt-4o", **options}),
        embedder=EmbedderConfig(provider="openai", config={"model": "text-embedding-3-small", **options}),
        vector_store=VectorStoreConfig(provider="sqlite", config={"path": ":memory:"}),
    )
    with Memory(config) as m:
        assert m.add("I like tea", user_id="alice", infer=False)
        assert m.search("tea", user_id="alice")


def test_options_for_a_provider_that_is_not_known_yet(openai_server: OpenAIServer) -> None:
    options = BaseLlmConfig(model="gpt-4o", temperature=0.5, api_key=KEY, openai_base_url=openai_server.url)
    assert options.api_key == KEY  # type: ignore[attr-defined]
    assert KEY not in f"{options!r} {options}"
    with OpenAILLM(options) as llm:
        assert llm.generate_response(HELLO)
    assert openai_server.requests[0].body["temperature"] == 0.5
    of_embedder = BaseEmbedderConfig(embedding_dims=8, api_key=KEY, openai_base_url=openai_server.url)
    with OpenAIEmbedding(of_embedder) as embedder:
        assert len(embedder.embed("tea")) == 8
    options.max_retries = 7  # type: ignore[attr-defined]
    assert OpenAILLM(options).config.max_retries == 7
    with pytest.raises(ConfigError, match=r"\['modle'\]: unknown key; did you mean 'model'"):
        OpenAILLM(BaseLlmConfig(api_key=KEY, modle="gpt-4o"))


def test_an_embedder_with_a_config(monkeypatch: pytest.MonkeyPatch) -> None:
    assert OnesEmbedding(BaseEmbedderConfig(embedding_dims=3)).embed("tea") == [1.0] * 3
    monkeypatch.setattr(EmbedderFactory, "providers", {"ones": f"{__name__}.OnesEmbedding"})
    assert EmbedderFactory.create("ones", {"embedding_dims": 4, "region": "eu"}).config.region == "eu"


def test_what_is_no_options_of_ours_is_kept() -> None:
    config = PlainConfig("m")
    assert OneAnswer(config).config is config
    assert OnesEmbedding(SimpleNamespace(embedding_dims=2)).embed("tea") == [1.0] * 2  # type: ignore[arg-type]


def test_an_llm_without_options_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LlmFactory, "providers", {"one": f"{__name__}.OneAnswer"})
    llm = {"provider": "one", "config": {"model": "m", "api_key": "k"}}
    with Memory({"llm": llm, "path": ":memory:"}) as m:
        assert m.add("I like tea", user_id="alice")[0]["memory"] == "k of m"


def test_tables_of_the_factories(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LlmFactory.provider_to_class is LlmFactory.providers
    monkeypatch.setattr(LlmFactory, "providers", {})
    LlmFactory.register_provider("one", f"{__name__}.OneAnswer", OneAnswerConfig)
    made = LlmFactory.create("one", {"model": "m", "answer": "tea"})
    assert (made.config.model, made.config.answer) == ("m", "tea")
    LlmFactory.providers["plain"] = (f"{__name__}.OneAnswer", PlainConfig)
    assert LlmFactory.create("plain", {"answer": "coffee"}).config.answer == "coffee"
    with pytest.raises(ConfigError, match="llm provider 'plain' cannot be made: TypeError"):
        LlmFactory.create("plain", {"anwser": "coffee"})
    LlmFactory.register_provider("two", f"{__name__}.OneAnswer")
    assert LlmFactory.create("two", {"api_key": "k"}).config.api_key == "k"
    with pytest.raises(ConfigError, match="did you mean"):
        LlmFactory.create("onee")


def test_older_names_of_the_instructions() -> None:
    config = MemoryConfig(custom_fact_extraction_prompt="Only facts about tea.")
    assert config.custom_fact_extraction_prompt == config.custom_instructions == "Only facts about tea."
    config.custom_fact_extraction_prompt = "Only facts about coffee."
    assert config.custom_instructions == "Only facts about coffee."


# -- configurations ---------------------------------------------------------------------------------


def test_what_is_not_set_says_nothing(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    unset = {"api_key": "", "openai_base_url": "", "ollama_base_url": None, "azure_kwargs": None, "aws_region": ""}
    with LlmFactory.create("openai", unset) as llm:
        assert llm.generate_response(HELLO)
    with LlmFactory.create("lmstudio", {"model": "m", "openai_base_url": None, "lmstudio_base_url": ""}) as llm:
        assert "http://localhost:1234/v1" in repr(llm)
    config = {"graph_store": {"provider": None, "config": {}}, "history_db_path": "", "embedder": {"provider": "onnx"}}
    with Memory({**config, "path": ":memory:", "llm": None}) as m:
        assert m.add("I like tea", user_id="alice", infer=False)
    with pytest.raises(ConfigError, match=r"\['modle'\]: unknown key; did you mean 'model'"):
        LlmFactory.create("openai", {"modle": None})
    with pytest.raises(ConfigError, match="path"):  # memories would go somewhere else
        MemoryConfig(path="")
    with pytest.raises(ConfigError, match=r"\['ollama_base_url'\]: unknown key"):
        LlmFactory.create("openai", {"ollama_base_url": "http://localhost:11434"})


@pytest.mark.parametrize(
    ("provider", "config"),
    [
        ("openai", {"top_k": 1}),
        ("deepseek", {"top_k": 1}),
        ("openai", {"is_reasoning_model": True}),
        ("lmstudio", {"model": "m", "lmstudio_response_format": {"type": "json_schema"}}),
    ],
)
def test_what_changes_nothing_is_taken_and_told(
    provider: str, config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mem0.configs"):
        LlmFactory.create(provider, {"api_key": KEY, **config}).close()
    (name,) = {*config} - {"model"}
    (record,) = caplog.records
    assert record.getMessage().startswith(f"llm {provider!r} config[{name!r}] changes nothing: ")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"embedding": {"provider": "onnx"}}, "configured under 'embedder'"),
        ({"history_store": {"provider": "sqlite"}}, "named by history_db_path"),
        ({"graph_store": {"provider": "neo4j"}}, "there is no graph store"),
        ({"llm": {"provider": "openai", "model": "gpt-4o"}}, r"\['model'\]: unknown key; .* go inside its 'config'"),
    ],
)
def test_what_has_no_place_says_what_to_do(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        MemoryConfig(**config)


@pytest.mark.parametrize(("kind", "prefix"), [(LlmFactory, "LLM"), (EmbedderFactory, "EMBEDDING")])
def test_variables_of_azure(kind: Any, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{prefix}_AZURE_OPENAI_API_KEY", "k")
    monkeypatch.setenv(f"{prefix}_AZURE_DEPLOYMENT", "mine")
    monkeypatch.setenv(f"{prefix}_AZURE_ENDPOINT", "https://published.openai.azure.com")
    monkeypatch.setenv(f"{prefix}_AZURE_API_VERSION", "2023-05-15")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://other.openai.azure.com")
    empty = {"azure_deployment": "", "azure_endpoint": "", "api_version": "", "api_key": ""}
    with kind.create("azure_openai", {"model": "m", "azure_kwargs": empty}) as made:
        assert "https://published.openai.azure.com" in repr(made)
        assert made.config.azure_deployment == "mine"
        assert (made.client.api_key, made.client._api_version) == ("k", "2023-05-15")
    with kind.create("azure_openai", {"azure_ad_token": "token-1"}) as made:
        assert made.client._azure_ad_token == "token-1"
    with kind.create("azure_openai", {"base_url": "https://given.openai.azure.com"}) as made:
        assert "https://given.openai.azure.com" in repr(made)


@pytest.mark.parametrize(
    ("provider", "variable"),
    [
        ("vllm", "VLLM_BASE_URL"),
        ("deepseek", "DEEPSEEK_API_BASE"),
        ("openrouter", "OPENROUTER_API_BASE"),
        ("xai", "XAI_API_BASE"),
    ],
)
def test_variables_of_addresses(provider: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9/v1")
    with LlmFactory.create(provider, {"api_key": KEY, "model": "m"}) as llm:
        assert "http://127.0.0.1:9/v1" in repr(llm)
    with LlmFactory.create(provider, {"api_key": KEY, "model": "m", "base_url": "http://127.0.0.1:8/v1"}) as llm:
        assert "http://127.0.0.1:8/v1" in repr(llm)
