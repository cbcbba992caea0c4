"""Checks `slm serve` with programs that are built on OpenAI's API: LangChain, with an agent that calls tools, and the command-line client `llm`.

    Tests/Peers/check_clients.py .build/release/slm .build/release/CheckpointWriter

The model calls the function `weather` if it is given tools, and repeats its result in words.
"""
import importlib.metadata
import json
import os
import pathlib
import sys

import jsonschema
import pydantic
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from programs import run, scratch_folder
from served import Server

QUESTION = "Weather in Rome?"
LLM = pathlib.Path(sys.executable).with_name("llm")


@tool
def weather(city: str) -> str:
    """Current weather"""
    cities.append(city)
    return "sunny"


cities = []


class Place(pydantic.BaseModel):
    """A place."""
    name: str = pydantic.Field(max_length=20)
    kind: str = pydantic.Field(pattern="^(city|river)$")
    people: int = pydantic.Field(ge=0, le=90)


def check_langchain(url):
    for responses in (False, True):
        model = ChatOpenAI(base_url=f"{url}/v1", api_key="none", model="tools", temperature=0, max_tokens=200, use_responses_api=responses, max_retries=0)
        assert model.invoke(QUESTION).text == "I cannot know."
        assert "".join(chunk.text for chunk in model.stream(QUESTION)) == "I cannot know."
        call, = model.bind_tools([weather]).invoke(QUESTION).tool_calls
        assert (call["name"], call["args"]) == ("weather", {"city": "Rome"}), call
        # A model that does not want to call a function must.
        call, *_ = model.bind_tools([Place], tool_choice="any").invoke("Where?").tool_calls
        assert call["name"] == "Place" and Place(**call["args"]), call
        for method in ("json_schema", "function_calling"):
            place = model.with_structured_output(Place, method=method, strict=True).invoke("Where?")
            assert isinstance(place, Place), (method, place)
        # An agent: calls the tool, and answers with its result.
        cities.clear()
        messages = create_agent(model, [weather]).invoke({"messages": [{"role": "user", "content": QUESTION}]})["messages"]
        assert [message.type for message in messages] == ["human", "ai", "tool", "ai"] and messages[-1].text == "It is sunny in Rome.", messages
        assert cities == ["Rome"], cities
    # The client tokenizes with OpenAI's vocabularies otherwise.
    vectors = OpenAIEmbeddings(base_url=f"{url}/v1", api_key="none", model="tools", check_embedding_ctx_length=False).embed_documents(["Hello", "Rome"])
    assert len(vectors) == 2 and abs(sum(value * value for value in vectors[0]) - 1) < 1e-3


def check_llm(url, folder):
    (folder / "extra-openai-models.yaml").write_text(json.dumps(
        [{"model_id": "slm", "model_name": "tools", "api_base": f"{url}/v1", "supports_tools": True, "supports_schema": True}]))
    (folder / "tool.py").write_text('def weather(city: str) -> str:\n    """Current weather"""\n    return "sunny"\n')

    def llm(*arguments):
        return run(LLM, *arguments, env=os.environ | {"LLM_USER_PATH": str(folder), "OPENAI_API_KEY": "none"}).strip()

    options = ["-m", "slm", "-o", "temperature", "0", "-o", "max_tokens", "200"]
    assert llm(QUESTION, *options) == llm(QUESTION, *options, "--no-stream") == "I cannot know."
    assert llm("And there?", *options, "--continue")
    answer = llm(QUESTION, *options, "--functions", str(folder / "tool.py"))
    assert answer.endswith("It is sunny in Rome."), answer
    schema = {"type": "object", "properties": {"city": {"enum": ["Rome", "Paris"]}, "days": {"type": "integer"}}, "required": ["city", "days"], "additionalProperties": False}
    jsonschema.validate(json.loads(llm("Where?", *options, "--schema", json.dumps(schema))), schema)


def main():
    slm, writer = map(os.path.abspath, sys.argv[1:3])
    with scratch_folder() as folder:
        run(writer, "tools", folder / "tools.h5")
        with Server(slm, folder / "tools.h5", "--chats-per-minute", "0") as server:
            check_langchain(server.url)
            check_llm(server.url, folder)
    versions = [f"{package} {importlib.metadata.version(package)}" for package in ("langchain", "langchain-openai", "llm")]
    print(f"{', '.join(versions)}: answers, streams, tools, structured output, an agent, embeddings")


if __name__ == "__main__":
    main()
