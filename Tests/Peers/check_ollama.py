"""Checks `slm serve --ollama-port` with Ollama's Python client: answers, streams, tools, formats, embeddings, models, keys and errors.

    Tests/Peers/check_ollama.py .build/release/slm .build/release/CheckpointWriter

The model calls the function `weather` if it is given tools, and repeats its result in words.
"""
import asyncio
import importlib.metadata
import json
import os
import subprocess
import sys

import jsonschema
import ollama
from programs import run, scratch_folder
from reverse_proxy import free_port
from served import Server, raised

SCHEMA = {"type": "object", "properties": {"city": {"enum": ["Rome", "Paris"]}, "days": {"type": "integer"}}, "required": ["city", "days"]}
QUESTION = {"role": "user", "content": "Weather in Rome?"}
GREEDY = {"temperature": 0}


def weather(city: str) -> str:
    """Current weather.

    Args:
        city: The name of the city.
    """
    return "sunny" if city == "Rome" else "rainy"


def check_answers(client):
    answer = client.chat("tools", [{"role": "system", "content": "Be brief."}, QUESTION], options=GREEDY, keep_alive="5m")
    assert answer.model == "tools" and answer.done and answer.done_reason == "stop" and answer.message.content == "I cannot know.", answer
    assert answer.prompt_eval_count > 0 and answer.eval_count == 1 and answer.eval_duration > 0 and answer.total_duration >= answer.eval_duration, answer
    pieces = list(client.chat("tools:latest", [QUESTION], options=GREEDY, stream=True))
    assert "".join(piece.message.content for piece in pieces) == "I cannot know." and [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True], pieces
    text = client.generate("tools", "Weather in Rome?", system="Be brief.", options=GREEDY | {"stop": ["know"], "num_predict": 9, "seed": 1, "top_k": 1, "num_ctx": 512})
    assert text.response.strip() == "I cannot" and text.done_reason == "stop", text
    raw = "".join(piece.response for piece in client.generate("tools", "Weather?\n", raw=True, options=GREEDY, stream=True))
    assert raw == "I cannot know.", raw
    for scored in (client.chat("tools", [QUESTION], options=GREEDY, logprobs=True, top_logprobs=3),
                   client.generate("tools", "Weather?\n", raw=True, options=GREEDY, logprobs=True, top_logprobs=3)):
        assert "".join(token.token for token in scored.logprobs) == "I cannot know." and scored.logprobs[0].logprob <= 0, scored
        assert len(scored.logprobs[0].top_logprobs) == 3 and scored.logprobs[0].top_logprobs[0].token == scored.logprobs[0].token, scored
    for think in (True, False, "low", "high"):
        assert client.chat("tools", [QUESTION], think=think, options=GREEDY).message.content == "I cannot know."
    assert client.generate("tools").done_reason == "load" and client.chat("tools", []).done

    async def several():
        other = ollama.AsyncClient(str(client._client.base_url))
        return await asyncio.gather(*(other.chat("tools", [QUESTION], options=GREEDY) for _ in range(8)))
    assert {answer.message.content for answer in asyncio.run(several())} == {"I cannot know."}


def check_tools(client):
    for streams in (False, True):
        messages = [QUESTION]
        first = client.chat("tools", messages, tools=[weather], options=GREEDY, stream=streams)
        parts = list(first) if streams else [first]
        calls = [call for part in parts for call in part.message.tool_calls or []]
        said = "".join(part.message.content for part in parts)
        assert said == "Let me look." and len(calls) == 1 and calls[0].function.name == "weather" and calls[0].function.arguments == {"city": "Rome"}, parts
        messages += [ollama.Message(role="assistant", content=said, tool_calls=calls), {"role": "tool", "content": weather(**calls[0].function.arguments), "tool_name": "weather"}]
        assert client.chat("tools", messages, tools=[weather], options=GREEDY).message.content == "It is sunny in Rome."


def check_formats(client):
    for seed in range(5):
        answer = client.chat("tools", [QUESTION], format=SCHEMA, options={"seed": seed, "temperature": 1, "num_predict": 300})
        jsonschema.validate(json.loads(answer.message.content), SCHEMA)
    json.loads(client.generate("tools", "Weather?", format="json", options={"seed": 1, "num_predict": 300}).response)


def check_models(client):
    listed, running, shown = client.list().models, client.ps().models, client.show("tools")
    assert [model.model for model in listed] == [model.model for model in running] == ["tools"] and listed[0].size > 1_000 and listed[0].modified_at, (listed, running)
    assert running[0].expires_at and running[0].context_length == 2_048, running
    assert shown.capabilities == ["completion", "tools"] and shown.modelinfo["slm.context_length"] == 2_048 and shown.details.format == "slm", shown


def check_thoughts(server):
    client, request = ollama.Client(server.url + "/ollama"), {"model": "thinking", "messages": [{"role": "user", "content": "2 + 2?"}], "options": GREEDY}
    for think in (None, True, "low"):
        message = client.chat(**request, think=think).message
        assert (message.thinking, message.content) == ("Two and two.", "Four."), message
    message = client.chat(**request, think=False).message
    assert (message.thinking, message.content) == (None, "Just four."), message
    status, error = server.ask("POST", "/ollama/api/chat", request | {"think": "huge"})
    assert status == 400 and error["error"].startswith("think: "), error


def check_embeddings(client, server):
    both = client.embed("tools", ["Rome", "Paris"])
    _, expected = server.ask("POST", "/v1/embeddings", {"input": ["Rome", "Paris"]})
    assert [list(e) for e in both.embeddings] == [e["embedding"] for e in expected["data"]] and both.prompt_eval_count == expected["usage"]["prompt_tokens"], both
    assert list(client.embeddings("tools", "Rome").embedding) == list(both.embeddings[0])
    assert len(client.embed("tools", "Rome", dimensions=16).embeddings[0]) == 16
    assert client.embed("tools", "x" * 5_000).prompt_eval_count == 2_048


def refused(status, words, call):
    error = raised(ollama.ResponseError, call)
    assert error.status_code == status and words in error.error, (error.status_code, error.error)


def check_errors(client):
    image = QUESTION | {"images": [b"\x89PNG"]}
    for words, call in [
        ("messages[0].images: images are not supported", lambda: client.chat("tools", [image])),
        ("images: images are not supported", lambda: client.generate("tools", "x", images=[b"\x89PNG"])),
        ("options.mirostat: ", lambda: client.chat("tools", [QUESTION], options={"mirostat": 1})),
        ("options.temprature: unknown option", lambda: client.chat("tools", [QUESTION], options={"temprature": 1})),
        ("temperature: ", lambda: client.chat("tools", [QUESTION], options={"temperature": 3})),
        ("suffix: ", lambda: client.generate("tools", "x", suffix="y")),
    ]:
        refused(400, words, call)
    refused(404, "Unknown model", lambda: client.chat("llama3", [QUESTION]))
    refused(404, "", lambda: client.pull("tools"))


def main():
    slm, writer = map(os.path.abspath, sys.argv[1:3])
    with scratch_folder() as folder:
        checkpoint, port = folder / "tools.h5", free_port()
        run(writer, "tools", checkpoint)
        with Server(slm, checkpoint, "--chats-per-minute", "0", "--changes-per-minute", "0", "--ollama-port", port) as server:
            for host in (f"127.0.0.1:{port}", server.url + "/ollama"):
                client = ollama.Client(host)
                check_answers(client)
                check_tools(client)
                check_formats(client)
                check_models(client)
                check_embeddings(client, server)
                check_errors(client)
            taken = subprocess.run([slm, "serve", checkpoint, "--database", f"sqlite:{folder}/other.db", "--port", "0", "--ollama-port", str(port)], capture_output=True, text=True)
            assert taken.returncode == 1 and f"another port: --ollama-port {port + 1}" in taken.stderr, taken
        run(writer, "thinking", folder / "thinking.h5")
        with Server(slm, folder / "thinking.h5", "--chats-per-minute", "0") as server:
            check_thoughts(server)
        port = free_port()
        with Server(slm, checkpoint, "--require-key", "--ollama-port", port) as server:
            refused(401, "API key", lambda: ollama.Client(f"127.0.0.1:{port}").chat("tools", [QUESTION]))
            headers = {"Authorization": f"Bearer {server.account('ada')}"}
            assert ollama.Client(f"127.0.0.1:{port}", headers=headers).chat("tools", [QUESTION], options=GREEDY).message.content == "I cannot know."
    print(f"Ollama's client {importlib.metadata.version('ollama')}: answers, streams, tools, thoughts, formats, embeddings, models, keys and errors")


if __name__ == "__main__":
    main()
