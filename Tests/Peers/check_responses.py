"""Checks `/v1/responses` of `slm serve` with OpenAI's Python client: answers, streams, tools, structured output, stored responses, keys and errors.

    Tests/Peers/check_responses.py .build/release/slm .build/release/CheckpointWriter

The model calls the function `weather` if it is given tools, and repeats its result in words. The one that gives the same answer to everything is for long answers.
"""
import asyncio
import json
import os
import sys
import time
from typing import Literal

import jsonschema
import openai
import pydantic
from check_openai import refused
from programs import run, scratch_folder
from served import Server

SENTENCE = "Hi, you!é日"
QUESTION = "Weather in Rome?"
WEATHER = {"type": "function", "name": "weather", "description": "Current weather", "strict": False,
           "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
MESSAGE = ["response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.done", "response.content_part.done",
           "response.output_item.done"]
CALL = ["response.output_item.added", "response.function_call_arguments.delta", "response.function_call_arguments.done", "response.output_item.done"]


class Place(pydantic.BaseModel):
    city: Literal["Rome", "Paris"]
    old: bool


def check_answers(client):
    answer = client.responses.create(model="tools", input=QUESTION, instructions="Be brief.", temperature=0, metadata={"a": "b"})
    assert answer.id.startswith("resp_") and answer.object == "response" and answer.status == "completed" and abs(answer.created_at - time.time()) < 60
    assert answer.output_text == "I cannot know." and answer.model == "tools" and answer.instructions == "Be brief." and answer.metadata == {"a": "b"}
    assert answer.usage.output_tokens > 0 and answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens and answer.error is None
    assert answer.usage.input_tokens_details.cached_tokens >= 0 and answer.usage.output_tokens_details.reasoning_tokens == 0
    parts = [{"role": "user", "content": [{"type": "input_text", "text": QUESTION}]}]
    assert client.responses.create(model="tools", input=parts, temperature=0).output_text == "I cannot know."
    with client.responses.stream(model="tools", input=QUESTION, temperature=0) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.type for event in events] == ["response.created", "response.in_progress", *MESSAGE, "response.completed"], events
    assert [event.sequence_number for event in events] == list(range(len(events))) and final.output_text == "I cannot know."
    scored = client.responses.create(model="tools", input=QUESTION, temperature=0, include=["message.output_text.logprobs"], top_logprobs=2)
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in scored.output[0].content[0].logprobs) and scored.output[0].content[0].logprobs


def check_tools(client):
    request = {"model": "default", "temperature": 0, "tools": [WEATHER]}
    first = client.responses.create(**request, input=QUESTION)
    said, call = first.output
    assert said.content[0].text == "Let me look." and (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "Rome"}), first
    history = [{"role": "user", "content": QUESTION}, *first.output, {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
    assert client.responses.create(**request, input=history).output_text == "It is sunny in Rome."
    with client.responses.stream(**request, input=QUESTION) as stream:
        types = [event.type for event in stream]
        final = stream.get_final_response()
    assert types == ["response.created", "response.in_progress", *MESSAGE, *CALL, "response.completed"], types
    assert json.loads(final.output[1].arguments) == {"city": "Rome"} and final.output_text == "Let me look."
    forecast = {"type": "object", "properties": {"days": {"type": "integer"}, "city": {"enum": ["Rome", "Paris"]}}, "required": ["days", "city"], "additionalProperties": False}
    tools = [WEATHER, {"type": "function", "name": "forecast", "strict": True, "parameters": forecast}]
    for choice, names in [("required", {"weather", "forecast"}), ({"type": "function", "name": "forecast"}, {"forecast"})]:
        for call in client.responses.create(**request | {"tools": tools}, input=QUESTION, tool_choice=choice, max_output_tokens=300).output:
            assert call.type == "function_call" and call.name in names, call
            jsonschema.validate(json.loads(call.arguments), next(tool["parameters"] for tool in tools if tool["name"] == call.name))
    for name in ("weather", "forecast"):
        allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": name}]}
        answer = client.responses.create(**request | {"tools": tools}, input=QUESTION, tool_choice=allowed, max_output_tokens=300)
        assert answer.output and all(call.type == "function_call" and call.name == name for call in answer.output), answer
        assert answer.tool_choice.type == "allowed_tools" and len(answer.tools) == 2, answer
    assert client.responses.create(**request | {"tools": tools}, input=QUESTION, tool_choice=allowed | {"mode": "auto"}).output
    assert client.responses.create(**request, input=QUESTION, tool_choice="none").output_text == "I cannot know."


def check_formats(client):
    for _ in range(5):
        parsed = client.responses.parse(model="tools", input="Where?", text_format=Place, temperature=2, max_output_tokens=200)
        assert isinstance(parsed.output_parsed, Place), parsed
    with client.responses.stream(model="tools", input="Where?", text_format=Place, temperature=2, max_output_tokens=200) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Place)
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3, "maximum": 9}}, "required": ["n"]}
    for strict in (True, False):
        answer = client.responses.create(model="tools", input="Where?", max_output_tokens=100, text={"format": {"type": "json_schema", "name": "number", "strict": strict, "schema": schema}})
        jsonschema.validate(json.loads(answer.output_text), schema)
    assert isinstance(json.loads(client.responses.create(model="tools", input="Where?", max_output_tokens=100, text={"format": {"type": "json_object"}}).output_text), dict)


def check_thoughts(client):
    question = [{"role": "user", "content": "2 + 2?"}]
    request, chat = {"model": "thinking", "temperature": 0, "input": question}, {"model": "thinking", "temperature": 0, "messages": question}
    whole, last = client.responses.create(**request), list(client.responses.create(**request, stream=True))[-1].response
    for response in (whole, last):
        assert [item.type for item in response.output] == ["reasoning", "message"] and response.output_text == "Four.", response
        assert response.usage.output_tokens_details.reasoning_tokens == 1, response.usage
    chunks = list(client.chat.completions.create(**chat, stream=True, stream_options={"include_usage": True}))
    for usage in (client.chat.completions.create(**chat).usage, chunks[-1].usage):
        assert (usage.completion_tokens, usage.completion_tokens_details.reasoning_tokens) == (4, 1), usage
    assert client.responses.create(**request, reasoning={"effort": "none"}).output_text == "Just four."
    for effort, text in (("none", "Just four."), ("low", "Four.")):
        assert client.chat.completions.create(**chat, reasoning_effort=effort).choices[0].message.content == text
    refused(openai.BadRequestError, "reasoning.effort", lambda: client.responses.create(**request, reasoning={"effort": "huge"}))


def check_long_answers(server, client):
    short = client.responses.create(model="parrot", input="Hello", temperature=0, max_output_tokens=2)
    assert short.status == "incomplete" and short.incomplete_details.reason == "max_output_tokens" and short.output_text == "Hi", short
    events = list(client.responses.create(model="parrot", input="Hello", temperature=0, max_output_tokens=2, stream=True))
    assert events[-1].type == "response.incomplete" and events[-1].response.output[0].status == "incomplete", events[-1]
    endless = {"model": "parrot", "input": "Hello", "temperature": 0.1, "max_output_tokens": 90_000, "extra_body": {"logit_bias": {"256": -100}}}
    stream = client.responses.create(**endless, stream=True)
    next(iter(stream))
    assert server.queue() == {"running": 1, "waiting": 0}
    stream.close()
    server.wait_until_idle()
    try:
        client.with_options(timeout=0.3).responses.create(**endless)
        raise AssertionError("expected a timeout")
    except openai.APITimeoutError:
        server.wait_until_idle()


async def check_many(server):
    """Sixteen requests at once, half of them streams."""
    async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0) as client:
        async def one(i):
            fields = {"model": "parrot", "input": "Hello", "temperature": 0, "max_output_tokens": i + 1}
            if i % 2:
                async with client.responses.stream(**fields) as stream:
                    # The client keeps the end of complete responses only.
                    return "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])
            return (await client.responses.create(**fields)).output_text

        answers = await asyncio.gather(*[one(i) for i in range(16)])
        # White space at the end of an answer is not sent.
        assert answers == [SENTENCE.encode()[:i + 1].decode(errors="ignore").rstrip() for i in range(16)], answers


def check_errors(client):
    create = client.responses.create
    assert refused(openai.NotFoundError, "model", lambda: create(model="gpt-4", input="x")).code == "model_not_found"
    for field, value in {"temperature": 3, "max_output_tokens": 0, "background": True, "conversation": "conv_1", "previous_response_id": "resp_1", "top_logprobs": 21}.items():
        for streams in (False, True):
            refused(openai.BadRequestError, field, lambda: create(model="parrot", input="x", stream=streams, extra_body={field: value}))
    image = [{"role": "user", "content": [{"type": "input_image", "image_url": "x", "detail": "auto"}]}]
    refused(openai.BadRequestError, "input[0].content[0].type", lambda: create(model="parrot", input=image))
    refused(openai.BadRequestError, "tools[0].type", lambda: create(model="parrot", input="x", tools=[{"type": "web_search"}]))
    refused(openai.BadRequestError, "text.format.schema.properties.a.pattern", lambda: create(model="parrot", input="x", text={"format": {
        "type": "json_schema", "name": "x", "strict": True, "schema": {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=x)"}}}}}))
    assert refused(openai.BadRequestError, None, lambda: create(model="parrot", input="x" * 200_000)).code == "context_length_exceeded"
    refused(openai.NotFoundError, None, lambda: client.responses.retrieve("resp_1"))


def check_stored(slm, checkpoint):
    """Accounts continue, read and delete their responses; others cannot."""
    with Server(slm, checkpoint, "--require-key", "--chats-per-minute", "0") as server:
        def client(name):
            return openai.OpenAI(base_url=server.url + "/v1", api_key=server.ask("POST", "/api/keys", {"name": name}, server.account(name))[1]["key"], max_retries=0)

        request = {"model": "tools", "temperature": 0, "tools": [WEATHER]}
        with client("ada") as ada, client("eve") as eve:
            first = ada.responses.create(**request, input=QUESTION)
            result = [{"type": "function_call_output", "call_id": first.output[1].call_id, "output": "sunny"}]
            second = ada.responses.create(**request, input=result, previous_response_id=first.id)
            assert second.output_text == "It is sunny in Rome." and second.previous_response_id == first.id and second.store is True, second
            shown = ada.responses.retrieve(second.id)
            assert shown.output_text == second.output_text and shown.status == "completed" and shown.usage == second.usage
            with ada.responses.stream(**request, input=result, previous_response_id=first.id) as stream:
                third = stream.get_final_response()
            assert third.output_text == second.output_text and ada.responses.retrieve(third.id).output_text == third.output_text
            items = list(ada.responses.input_items.list(second.id, order="asc", limit=2))
            assert [item.type for item in items] == ["message", "message", "function_call", "function_call_output"], items
            assert items[0].role == "user" and items[0].content[0].text == QUESTION and items[1].id == first.output[0].id and items[2].name == "weather"
            assert [item.id for item in ada.responses.input_items.list(second.id)] == [item.id for item in reversed(items)]
            references = [{"type": "item_reference", "id": item.id} for item in items]
            assert ada.responses.create(**request, input=references).output_text == second.output_text
            refused(openai.NotFoundError, "input[0].id", lambda: eve.responses.create(**request, input=references))
            refused(openai.NotFoundError, None, lambda: eve.responses.input_items.list(second.id))
            refused(openai.BadRequestError, "after", lambda: ada.responses.input_items.list(second.id, after="msg_1"))
            refused(openai.NotFoundError, None, lambda: eve.responses.retrieve(first.id))
            refused(openai.NotFoundError, None, lambda: eve.responses.delete(first.id))
            error = refused(openai.BadRequestError, "previous_response_id", lambda: eve.responses.create(**request, input="x", previous_response_id=first.id))
            assert error.code == "previous_response_not_found", error
            ada.responses.delete(first.id)
            refused(openai.NotFoundError, None, lambda: ada.responses.retrieve(first.id))
            refused(openai.BadRequestError, "previous_response_id", lambda: ada.responses.create(**request, input="x", previous_response_id=second.id))
            unstored = ada.responses.create(**request, input=QUESTION, store=False)
            refused(openai.NotFoundError, None, lambda: ada.responses.retrieve(unstored.id))
        with openai.OpenAI(base_url=server.url + "/v1", api_key="wrong", max_retries=0) as guest:
            refused(openai.AuthenticationError, None, lambda: guest.responses.create(model="tools", input="x"))


def main():
    slm, writer = map(os.path.abspath, sys.argv[1:3])
    with scratch_folder() as folder:
        tools, parrot, thinking = folder / "tools.h5", folder / "parrot.h5", folder / "thinking.h5"
        run(writer, "tools", tools)
        run(writer, "thinking", thinking)
        run(writer, "parrot", parrot, "100000")
        with Server(slm, tools, "--chats-per-minute", "0") as server, Server(slm, None, "--chats-per-minute", "0", "--backend", f"openai:{server.url}") as front:
            for url in (server.url, front.url):
                with openai.OpenAI(base_url=url + "/v1", api_key="any", max_retries=0) as client:
                    if url == server.url:
                        check_answers(client)
                        check_formats(client)
                    check_tools(client)
        with Server(slm, thinking, "--chats-per-minute", "0") as server, openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0) as client:
            check_thoughts(client)
        with Server(slm, parrot, "--chats-per-minute", "0") as server, openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0) as client:
            check_long_answers(server, client)
            asyncio.run(check_many(server))
            check_errors(client)
        check_stored(slm, tools)
    print(f"OpenAI's client {openai.__version__}: responses, streams, tools (also with a server as the backend), structured output, thoughts, stored responses, keys and errors")


if __name__ == "__main__":
    main()
